// The pages of the login in Chromium: under their policy, in both schemes, by keyboard, on the way back, in a window of a client.
import { createRequire } from 'node:module'
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import {
  agentsPage,
  consentPage,
  faultPage,
  type FormPage,
  returnPage,
  sendFormPage,
} from '../../../lib/login/pages/index.ts'
import { HOSTILE_TEXTS, loginViews } from '../../fixtures/login-views.ts'
import { describeChromium, startChromium } from '../../support/chromium.ts'
import { type Listening, listen } from '../../support/listen.ts'

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js')

interface Violation {
  readonly id: string
  readonly nodes: ReadonlyArray<{ readonly html: string }>
}

describeChromium('the pages in a browser', () => {
  let browser: Browser
  let context: BrowserContext
  let page: Page
  let app: Listening
  let client: Listening
  /** Whatever the browser complained about: policy violations, errors, requests to elsewhere. */
  let complaints: string[]
  let posted: string[]
  let hostile: string | undefined

  beforeAll(async () => {
    browser = await startChromium()
    client = await listen((request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' })
      // The callback hops on once more, as some clients do.
      if (request.url?.startsWith('/callback')) {
        response.end(`<script>opener?.postMessage('done', '*'); document.title = 'back'</script>`)
      } else {
        response.end(`<button onclick="open('${app.origin}/consent', '_blank', 'width=500,height=700')">Connect</button>
          <script>addEventListener('message', ({ data }) => (document.title = data))</script>`)
      }
    })
    app = await listen((request, response) => {
      const views = loginViews(hostile)
      const url = `${client.origin}/callback?code=a&state=b%20c`
      if (request.method === 'POST') {
        let body = ''
        request.on('data', (chunk: Buffer) => (body += chunk.toString()))
        request.on('end', () => {
          posted.push(body)
          sendFormPage(response, 200, returnPage({ ...views.returning, url }), { refresh: url })
        })
        return
      }
      const pages: Record<string, () => FormPage> = {
        '/consent': () => consentPage({ ...views.consent, form: { ...views.consent.form, action: '/oauth/consent' } }),
        '/return': () => returnPage(views.returning),
        '/fault': () => faultPage(views.fault),
        '/agents': () => agentsPage(views.agents),
        '/loopback': () =>
          consentPage({ ...views.consent, client: { ...views.consent.client, redirectHost: 'loopback' } }),
        '/nobody': () => agentsPage({ ...views.agents, agents: [] }),
      }
      const show = pages[request.url ?? '']
      if (show) sendFormPage(response, 200, show())
      else response.writeHead(204).end()
    })
  })
  afterAll(async () => {
    await browser.close()
    await app.close()
    await client.close()
  })
  beforeEach(() => {
    posted = []
    complaints = []
    hostile = undefined
  })
  afterEach(async () => {
    await context.close()
    expect(complaints).toEqual([])
  })

  async function open(path: string, options: BrowserContextOptions = {}): Promise<void> {
    context = await browser.newContext(options)
    context.on('page', (each) => {
      each.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`))
      each.on('pageerror', (error) => complaints.push(String(error)))
      each.on('dialog', () => complaints.push('a dialog'))
      each.on('request', (request) => {
        if (![app.origin, client.origin].some((origin) => request.url().startsWith(origin))) {
          complaints.push(`asked for ${request.url()}`)
        }
      })
    })
    page = await context.newPage()
    await page.goto(path.startsWith('http') ? path : app.origin + path)
  }

  const PAGES = ['/consent', '/loopback', '/return', '/fault', '/agents', '/nobody']

  test('the answer leads back to the client though forms may be posted to this origin alone', async () => {
    await open('/consent')
    await page.getByRole('button', { name: 'Allow' }).click()
    await page.waitForURL(`${client.origin}/callback?code=a&state=b%20c`)
    expect(await page.title()).toBe('back')
    expect(posted).toEqual(['request=sealed&decision=allow'])
  })

  test('everything can be reached by keyboard, Allow before Deny', async () => {
    await open('/consent')
    const stops: string[] = []
    for (let stop = 0; stop < 3; stop += 1) {
      await page.keyboard.press('Tab')
      stops.push(await page.evaluate('document.activeElement.textContent'))
    }
    expect(stops).toEqual(['Use another account', 'Allow', 'Deny'])
    await page.keyboard.press('Enter')
    await page.waitForURL(`${client.origin}/**`)
    expect(posted).toEqual(['request=sealed&decision=deny'])
  })

  test('a client that opened the page in a window of its own hears from there', async () => {
    await open(client.origin)
    const opening = context.waitForEvent('page')
    await page.getByRole('button', { name: 'Connect' }).click()
    const popup = await opening
    await popup.getByRole('button', { name: 'Allow' }).click()
    await page.waitForFunction(`document.title === 'done'`)
  })

  test('no hostile text becomes more than text, on any page', async () => {
    await open('/nobody')
    hostile = HOSTILE_TEXTS.join(' ')
    for (const path of PAGES) {
      await page.goto(app.origin + path)
      const found = `[document.title, location.pathname, document.querySelectorAll('script, img, svg, base').length]`
      expect(await page.evaluate(found)).toEqual([expect.stringMatching(/.{20}/), path, 0])
    }
  })

  test('a name that turns the direction of writing does not turn the words around it', async () => {
    hostile = '\u05D0\u05D1 (b)'
    await open('/consent')
    expect(await page.locator('bdi').count()).toBeGreaterThan(5)
    expect(await page.evaluate('getComputedStyle(document.querySelector("bdi")).unicodeBidi')).toBe('isolate')
  })

  test.each(['light', 'dark'] as const)('axe-core finds nothing in the %s scheme', async (colorScheme) => {
    await open('/consent', { colorScheme, bypassCSP: true })
    for (const path of ['/loopback', '/fault', '/agents']) {
      await page.goto(app.origin + path)
      await page.addScriptTag({ path: AXE })
      const { violations } = await page.evaluate<{ violations: Violation[] }>('axe.run()')
      expect(violations.map(({ id, nodes }) => ({ path, id, html: nodes[0]?.html }))).toEqual([])
    }
  })

  test('nothing is wider than a small phone, not even long words', async () => {
    await open('/consent', { viewport: { width: 360, height: 700 } })
    hostile = 'a'.repeat(100)
    for (const path of PAGES) {
      await page.goto(app.origin + path)
      expect([path, await page.evaluate('document.documentElement.scrollWidth')]).toEqual([path, 360])
    }
  })

  test('everything works without scripts', async () => {
    await open('/agents', { javaScriptEnabled: false })
    await page.getByRole('button', { name: 'Disconnect Claude' }).click()
    await page.waitForURL(`${client.origin}/**`)
    expect(posted).toEqual(['request=sealed&grant=a-grant'])
  })
})
