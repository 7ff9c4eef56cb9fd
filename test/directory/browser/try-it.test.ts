// Trying things on a server's page, in a real browser: both eras, questions, pictures, hostile servers, no way around.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, BrowserContextOptions } from 'playwright-core'
import { seriousFaults } from '../../support/axe.ts'
import { describeChromium, startChromium } from '../../support/chromium.ts'
import { type DualEraServer, startDualEraServer } from '../../fixtures/dual-era-server.mjs'
import { closeUsed, use } from '../../support/use.ts'
import { authenticate, BROWSER, type DirectoryParts, startDirectory } from '../setup.ts'
import { openTab, startTrialApp, type Tab, type TrialApp, HOSTILE } from './setup.ts'

// Browsers are slow where the machine is busy.
describeChromium('trying things on the page', () => {
  let app: TrialApp
  let browser: Browser
  let tab: Tab
  const tabs = new Map<string, Tab>()

  beforeAll(async () => {
    ;[app, browser] = await Promise.all([startTrialApp(), startChromium()])
  })
  afterAll(async () => {
    await browser.close()
    await app.close()
  })
  afterEach(() => {
    expect(tab.complaints).toEqual([])
  })

  /** A page per server for all tests, which use different items of it, unless there are options. */
  const open = async (server: string, options?: BrowserContextOptions): Promise<void> => {
    const opened = options ? undefined : tabs.get(server)
    tab = opened ?? (await openTab(browser, app, server, options))
    if (!options) tabs.set(server, tab)
  }

  describe.each(['legacy', 'modern'])('on a %s server', (era) => {
    test('a form is made of the schema, the tool runs, and shows its progress, its time and the wire', async () => {
      await open(era)
      const item = await tab.run('test_tool_with_progress')
      await item.getByText('Progressed to the end.').waitFor()
      expect(await item.locator('.state').textContent()).toMatch(/^Done in [\d.]+ m?s$/)
      await item.getByText(/^On the wire/).click()
      const wire = await item.locator('.wire').textContent()
      expect(wire).toContain('"method": "tools/call"')
      expect(wire).toContain('"progress": 50')
      expect(wire!.includes('"method": "initialize"')).toBe(era === 'legacy')
    })

    test('a picture is drawn', async () => {
      await open(era)
      const item = await tab.run('test_image_content')
      await item.getByRole('img', { name: 'Picture, image/png, 1 × 1' }).waitFor()
      const pixel = `document.querySelector('canvas').getContext('2d').getImageData(0, 0, 1, 1).data[3]`
      expect(await tab.page.evaluate(pixel)).toBe(255)
    })

    test('what the server asks is shown as a form, and the answer goes back', async () => {
      await open(era)
      const item = await tab.run('test_elicitation', (it) => it.getByLabel('message').fill('Who are you?'))
      const question = item.getByRole('group', { name: 'Dual-era fixture asks' })
      await question.getByText('Who are you?').waitFor()
      expect(await tab.page.evaluate('document.activeElement.textContent')).toBe('Dual-era fixture asks')
      await question.getByLabel('username').fill('ada')
      await question.getByLabel('email').fill('ada@example.com')
      await question.getByRole('button', { name: 'Send' }).click()
      await item
        .getByText('User response: action=accept, content={"username":"ada","email":"ada@example.com"}')
        .waitFor()
    })

    test('a question is declined', async () => {
      await open(era)
      const item = await tab.run('test_elicitation', (it) => it.getByLabel('message').fill('Who?'))
      await item.getByRole('button', { name: 'Decline' }).click()
      await item.getByText('User response: action=decline, content={}').waitFor()
    })

    test('fields begin with the defaults of the schema, and choices show their titles', async () => {
      await open(era)
      let item = await tab.run('test_elicitation_sep1034_defaults')
      await item.getByRole('button', { name: 'Send' }).click()
      const defaults = { name: 'John Doe', age: 30, score: 95.5, status: 'active', verified: true }
      await item.getByText(`Elicitation completed: action=accept, content=${JSON.stringify(defaults)}`).waitFor()
      item = await tab.run('test_elicitation_sep1330_enums')
      await item.getByLabel('titledSingle', { exact: true }).selectOption({ label: 'Second Option' })
      await item.getByRole('group', { name: 'titledMulti' }).getByLabel('Third Choice').check()
      await item.getByRole('button', { name: 'Send' }).click()
      await item.getByText('content={"titledSingle":"value2","titledMulti":["value3"]}').waitFor()
    })

    test('an error of the tool, and one of the protocol, are shown as such', async () => {
      await open(era)
      let item = await tab.run('test_error_handling')
      await item.getByText(/^The tool failed in/).waitFor()
      expect(await item.locator('.failed').count()).toBe(1)
      item = await tab.run('test_prompt_with_arguments')
      expect(await item.locator('.call').count()).toBe(0)
      await item.getByLabel('arg1').fill('one')
      await item.getByLabel('arg2').fill('two')
      await item.getByRole('button', { name: 'Get' }).click()
      await item.getByText('user', { exact: true }).waitFor()
    })

    test('a login that ends in the middle of a run ends the run, and says so', async () => {
      await open(era, {})
      const item = await tab.run('test_elicitation', (it) => it.getByLabel('message').fill('Who?'))
      await item.getByRole('group', { name: 'Dual-era fixture asks' }).waitFor()
      await tab.page.context().clearCookies()
      await item.getByRole('button', { name: 'Decline' }).click()
      await item.getByText(/^Failed in/).waitFor()
      expect(await item.locator('.fault').textContent()).toContain('Load the page again to sign in.')
      expect(await item.locator('.question').count()).toBe(0)
      expect(await item.getByRole('button', { name: 'Run' }).isEnabled()).toBe(true)
      expect(tab.complaints.splice(0).every((complaint) => complaint.includes('401'))).toBe(true)
      await tab.close()
    })

    test('a resource and a template are read', async () => {
      await open(era)
      await (await tab.run('static-text')).getByText('This is the content of the static text resource.').waitFor()
      await (await tab.run('static-binary')).getByRole('img').waitFor()
      const item = await tab.run('template', (it) => it.getByLabel('id').fill('a/b'))
      await item.locator('.address', { hasText: 'a%2Fb' }).waitFor()
    })
  })

  test('a call is cancelled while its question is open', async () => {
    await open('modern')
    const item = await tab.run('test_elicitation', (it) => it.getByLabel('message').fill('Who?'))
    await item.getByRole('group', { name: 'Dual-era fixture asks' }).waitFor()
    await item.locator('.call > .actions').getByRole('button', { name: 'Cancel' }).click()
    await item.getByText(/^Cancelled in/).waitFor()
    expect(await item.locator('.question').count()).toBe(0)
  })

  test('a stream that breaks off before the answer is resumed', async () => {
    await open('legacy')
    await (await tab.run('test_reconnection')).getByText(/^Done in/).waitFor()
  })

  test('SS3 SS8 when the session is gone, another one is opened', async () => {
    await open('sdk', {})
    const request = tab.page.waitForRequest((each) => 'mcp-session-id' in each.headers())
    await (await tab.run('echo', (it) => it.getByLabel('text').fill('one'))).getByText(/^Done in/).waitFor()
    const session = (await request).headers()['mcp-session-id']!
    await fetch(`${app.url}/sdk/mcp`, { method: 'DELETE', headers: { cookie: 'user=ada', 'mcp-session-id': session } })
    const item = await tab.run('echo', (it) => it.getByLabel('text').fill('two'))
    await item.locator('.result').getByText('two').waitFor()
    expect(tab.complaints.splice(0).every((complaint) => complaint.includes('404'))).toBe(true)
  })

  test('a page that a server wants opened is opened by a click, with its host in sight, and no other', async () => {
    await open('hostile', {})
    const item = await tab.run('url')
    await item.getByText('It wants a page to be opened that is not opened from here: javascript:alert(1)').waitFor()
    expect(await item.getByRole('link').count()).toBe(0)
    await item.getByRole('button', { name: 'Decline' }).click()
    const link = item.getByRole('link', { name: 'Open id.example.com' })
    expect(await link.getAttribute('rel')).toBe('noopener noreferrer')
    const popup = tab.page.waitForEvent('popup')
    await link.click()
    await (await popup).close()
    await item.getByText('decline accept').waitFor()
  })

  test('`Mcp-Param-*` headers repeat what a schema wants them to (HD9)', async () => {
    await open('modern')
    const sent = tab.page.waitForRequest((request) => request.postData()?.includes('test_x_mcp_header') ?? false)
    const item = await tab.run('test_x_mcp_header', (it) => it.getByLabel('region').fill('süd'))
    expect((await sent).headers()['mcp-param-region']).toBe(`=?base64?${Buffer.from('süd').toString('base64')}?=`)
    await item.getByText(/^Done in/).waitFor()
  })

  test('PU1 a question on the stream of the session itself is answered, and the session ends with the page', async () => {
    await open('sdk', {})
    const item = await tab.run('ask-aloud')
    await item.getByLabel('colour').fill('green')
    await tab.page.keyboard.press('Enter')
    await item.getByText('accept: green').waitFor()
    await tab.page.goto(app.url)
    await app.sdk.happened('DELETE')
  })

  test('a call that is cancelled is cancelled at the server', async () => {
    await open('sdk')
    const item = await tab.run('slow')
    await app.sdk.happened('slow started')
    await item.getByRole('button', { name: 'Cancel' }).click()
    await item.getByText(/^Cancelled in/).waitFor()
    await app.sdk.happened('slow cancelled')
  })

  test('a tool that may destroy runs only when the visitor says so again', async () => {
    await open('sdk')
    const item = tab.item('echo')
    await item.locator('summary').first().click()
    await item.getByLabel('text').fill('two\nlines')
    await item.getByRole('button', { name: 'Run' }).click()
    const dialog = tab.page.getByRole('dialog', { name: 'Run echo?' })
    await dialog.getByRole('button', { name: 'Cancel' }).click()
    await dialog.waitFor({ state: 'detached' })
    expect(await item.locator('.call').count()).toBe(0)
    await item.getByRole('button', { name: 'Run' }).click()
    await dialog.getByRole('button', { name: 'Run it' }).click()
    expect(await item.locator('.result').textContent()).toBe('two\nlines')
  })

  test('what is filled in can be edited as JSON and back, and the lines for a shell say the same', async () => {
    await open('sdk')
    const item = tab.item('add')
    await item.locator('summary').first().click()
    await item.getByLabel('a', { exact: true }).fill('9007199254740993')
    await item.getByLabel('b', { exact: true }).fill('2')
    expect(await item.locator('input:invalid').count()).toBe(1)
    await item.getByRole('button', { name: 'Edit as JSON' }).click()
    const text = item.getByLabel('Arguments as JSON')
    await text.fill('{"a":1e400')
    expect(await item.locator('textarea:invalid').count()).toBe(1)
    await text.fill('{"a":40,"b":2}')
    await item.getByRole('button', { name: 'Back to the form' }).click()
    expect(await item.getByLabel('a', { exact: true }).inputValue()).toBe('40')
    await tab.run('add')
    await item.locator('.result').getByText('42', { exact: true }).waitFor()
    expect(await item.locator('.result').getByText('"sum": 42').isVisible()).toBe(true)
    expect(await item.locator('[data-curl]').textContent()).toContain('"arguments":{"a":40,"b":2}')
  })

  describe('hostile servers', () => {
    test('a script is text, in names, schemas and results, and a long text is cut', async () => {
      await open('hostile')
      for (const name of ['script', 'long']) {
        const item = await tab.run(name)
        await item.getByText(/^Done in/).waitFor()
        expect(await item.locator('.result pre').first().textContent()).toContain(HOSTILE)
      }
      expect(await tab.item('long').getByText('more characters are not shown').isVisible()).toBe(true)
      expect((await tab.item('long').locator('.result pre').textContent())!.length).toBe(100_000)
      const item = tab.item(HOSTILE)
      await item.locator('summary').first().click()
      expect(await item.getByLabel(HOSTILE).locator('option').allTextContents()).toEqual(['–', HOSTILE])
      expect(await tab.page.title()).toBe(`${HOSTILE} – MCP servers`)
    })

    test('schemas that are huge, recursive, or refer to themselves have a form, or JSON', async () => {
      await open('hostile')
      for (const name of ['huge', 'recursive', 'itself', 'proto', 'no-schema']) {
        await tab.item(name).locator('summary').first().click()
      }
      for (const name of ['huge', 'no-schema']) await tab.item(name).getByLabel('Arguments as JSON').waitFor()
      expect(await tab.item('recursive').getByLabel('name').count()).toBe(3)
      const item = await tab.run('proto', (it) => it.getByLabel('__proto__').fill('own'))
      await item.locator('.result').getByText('{"__proto__":"own"}').waitFor()
    })

    test('a hundred messages of the wire are shown, 20 000 characters of each, and 200 parts of a result', async () => {
      await open('hostile')
      let item = await tab.run('talk')
      await item.getByText(/^Done in/).waitFor()
      expect(await item.locator('.logs > li').count()).toBe(100)
      await item.getByText(/^On the wire: 15\d messages$/).click()
      const entries = item.locator('.wire > li')
      await entries.last().waitFor()
      expect(await entries.count()).toBe(101)
      expect(await entries.last().textContent()).toMatch(/^5\d more are not shown$/)
      const lengths = (await item.locator('.wire pre').allTextContents()).map((text) => text.length)
      expect(Math.max(...lengths)).toBe(20_001)
      item = await tab.run('parts')
      await item.getByText('50 more parts are not shown').waitFor()
      expect(await item.locator('.result > pre').count()).toBe(200)
    })

    test('SVG is not drawn, and only links to https are links', async () => {
      await open('hostile')
      let item = await tab.run('svg')
      await item.getByText('A picture (image/svg+xml) that cannot be shown.').waitFor()
      item = await tab.run('link')
      await item.getByRole('link').waitFor()
      expect(await item.getByRole('link').getAttribute('href')).toBe('https://docs.example.com/a')
      expect(await item.getByRole('link').getAttribute('rel')).toBe('noopener noreferrer')
    })
  })

  test('forty tools are on one page, each with its own result, and can be filtered', async () => {
    await open('crowded', { viewport: { width: 390, height: 800 } })
    const names = Array.from({ length: 40 }, (_, index) => `tool-${index}`)
    const all = (selector: string, act: string): Promise<void> =>
      tab.page.evaluate(`for (const one of document.querySelectorAll('${selector}')) one.${act}`)
    await all('.item > summary', 'click()')
    await tab.item(names.at(-1)!).getByRole('button', { name: 'Run' }).waitFor()
    await all('.trial > form', 'requestSubmit()')
    for (const name of names) await tab.item(name).getByText(`This is ${name}.`).waitFor()
    expect(await tab.page.locator('.call').count()).toBe(40)
    expect(await tab.page.evaluate('document.documentElement.scrollWidth')).toBe(390)
    await tab.page.getByRole('searchbox').first().fill('tool-39')
    expect(await tab.page.locator('.item:visible').count()).toBe(1)
    expect(await tab.item('tool-39').locator('.result').textContent()).toBe('This is tool-39.')
    await tab.close()
  })

  test.each(['light', 'dark'] as const)(
    'the activity is live, can be paused, and is accessible in the %s scheme',
    async (colorScheme) => {
      await open('', { colorScheme, bypassCSP: true })
      await tab.page.getByRole('link', { name: 'Activity' }).click()
      const durations = tab.page.getByRole('group', { name: 'How long tools take' })
      await durations.getByRole('rowheader').first().waitFor()
      const live = tab.page.getByRole('button', { name: 'Live' })
      expect(await live.getAttribute('aria-pressed')).toBe('true')
      // What the page had when it was loaded is replaced by the first event.
      await tab.page.evaluate("document.querySelector('#figure-calls .sentence').textContent = 'old'")
      await tab.page.evaluate(
        "document.querySelector('#figure-process .chart:nth-child(2) path').setAttribute('d', '')",
      )
      await tab.page.getByText('old', { exact: true }).waitFor({ state: 'detached' })
      const charts = tab.page.locator('.charts svg[aria-label]')
      expect(await charts.count()).toBe(12)
      expect(await tab.page.locator('#figure-process .chart:nth-child(2) path').first().getAttribute('d')).toMatch(
        /^M\d/,
      )
      await live.click()
      expect(await live.getAttribute('aria-pressed')).toBe('false')
      expect(await seriousFaults(tab.page)).toEqual([])
    },
  )

  test('a page of another origin reaches no tool with the visitor’s cookie (SC1)', async () => {
    await open('legacy', {})
    const evil = createServer((_request, response) => response.end('<!doctype html><title>evil</title>'))
    await once(evil.listen(0, '127.0.0.1'), 'listening')
    try {
      const { port } = evil.address() as AddressInfo
      await tab.page.goto(`http://127.0.0.1:${port}`)
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' })
      const reach = (mode: string): Promise<string> =>
        tab.page.evaluate(
          `fetch('${app.url}/legacy/mcp', { method: 'POST', mode: '${mode}', credentials: 'include', body: '${body}', ` +
            `headers: { 'content-type': 'text/plain', accept: 'application/json, text/event-stream' } })` +
            `.then(({ type }) => type, () => 'failed')`,
        )
      const answered = tab.page.waitForResponse((response) => response.request().method() === 'POST')
      expect(await reach('no-cors')).toBe('opaque')
      expect((await answered).status()).toBe(403)
      expect(await reach('cors')).toBe('failed')
    } finally {
      evil.close()
      evil.closeAllConnections()
      tab.complaints.length = 0
    }
  })

  test('without a script there are lines for a shell, and no button', async () => {
    await open('modern', { javaScriptEnabled: false })
    const item = tab.item('test_simple_text')
    await item.locator('summary').first().click()
    expect(await item.getByRole('button').count()).toBe(0)
    await item.getByText('With curl').click()
    expect(await item.locator('[data-curl]').textContent()).toContain("-H 'mcp-name: test_simple_text'")
  })

  test('nothing is wider than a phone, whatever is open', async () => {
    await open('hostile', { viewport: { width: 390, height: 800 } })
    await (await tab.run('link')).getByText(/^Done in/).waitFor()
    for (const name of ['huge', 'recursive', HOSTILE]) await tab.item(name).locator('summary').first().click()
    expect(await tab.page.evaluate('document.documentElement.scrollWidth')).toBe(390)
  })
})

describe('who may try', () => {
  const trial = /data-try/
  let upstream: DualEraServer
  beforeAll(async () => {
    upstream = await startDualEraServer({})
  })
  afterAll(() => upstream.close())
  afterEach(closeUsed)

  const pageOf = async (parts: DirectoryParts, headers: Record<string, string>): Promise<string> => {
    const gateway = { servers: { one: { url: upstream.url } }, ...parts.gateway }
    const { agent } = await use(startDirectory({ ...parts, gateway }))
    const { text } = await agent
      .get('/mcp-servers?server=one')
      .set({ accept: BROWSER, ...headers })
      .expect(200)
    expect(text).toContain('test_simple_text')
    return text
  }

  test('nobody where it is switched off', async () => {
    const text = await pageOf({ gateway: { authenticate }, directory: { tryIt: false } }, { 'x-user': 'ada' })
    expect(text).not.toMatch(trial)
    expect(text).not.toContain('data-trial')
    expect(text).not.toContain('curl')
    expect(await pageOf({ gateway: { authenticate } }, { 'x-user': 'ada' })).toMatch(trial)
  })

  test('without authentication those at this machine alone, not those behind a proxy on it', async () => {
    const gateway = { authenticate: false, allowedHosts: ['app.example.com'] } as const
    expect(await pageOf({ gateway }, { host: 'localhost:8080' })).toMatch(trial)
    expect(await pageOf({ gateway }, { host: 'app.example.com' })).not.toMatch(trial)
  })
})
