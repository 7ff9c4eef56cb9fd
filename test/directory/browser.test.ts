// The page in a real browser: with and without scripts, in both schemes, by mouse and by keyboard.
import { createRequire } from 'node:module'
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core'
import { mcpGateway } from '../../lib/index.ts'
import { serverDirectory } from '../../lib/directory/index.ts'
import { HOSTILE, startDirectoryApp } from '../fixtures/directory-app.mjs'
import { describeChromium, startChromium } from '../support/chromium.ts'

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js')

interface Violation {
  readonly id: string
  readonly impact: string
  readonly nodes: ReadonlyArray<{ readonly html: string }>
}

describeChromium('the page in a browser', () => {
  let app: Awaited<ReturnType<typeof startDirectoryApp>>
  let browser: Browser
  let context: BrowserContext
  let page: Page
  /** Whatever the browser complained about: policy violations, errors, requests that failed. */
  let complaints: string[]

  beforeAll(async () => {
    app = await startDirectoryApp({ mcpGateway, serverDirectory }, { hostile: true })
    browser = await startChromium()
  })
  afterAll(async () => {
    await browser.close()
    await app.close()
  })
  afterEach(async () => {
    await context.close()
    expect(complaints).toEqual([])
  })

  async function open(options: BrowserContextOptions = {}): Promise<void> {
    context = await browser.newContext(options)
    page = await context.newPage()
    complaints = []
    page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`))
    page.on('pageerror', (error) => complaints.push(String(error)))
    page.on('request', (request) => {
      if (!request.url().startsWith(app.url)) complaints.push(`asked for ${request.url()}`)
    })
    await page.goto(app.url)
  }

  const card = (name: string): Locator => page.locator('[data-card]', { has: page.getByText(name, { exact: true }) })
  const shown = async (): Promise<string[]> => page.locator('[data-card]:visible .name code').allTextContents()

  /** What axe-core finds to be serious or worse. The policy is lifted for it alone, in a context of its own. */
  async function faultsOf(): Promise<object[]> {
    await page.addScriptTag({ path: AXE })
    const { violations } = await page.evaluate<{ violations: Violation[] }>('axe.run()')
    const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
    return serious.map(({ id, nodes }) => ({ id, html: nodes[0]?.html }))
  }

  /** Opens whatever can be opened, and waits for the servers that are asked by it. */
  async function openAll(): Promise<void> {
    const opening = "document.querySelectorAll('details').forEach((details) => { details.open = true })"
    await page.evaluate(opening)
    await page.locator('[data-capabilities]').nth(3).waitFor()
    await page.evaluate(opening)
  }

  test('lists every server, as text: a title that is a script does nothing', async () => {
    await open()
    expect(await shown()).toEqual(['hostile', 'warehouse', 'tickets', 'weather'])
    expect(await page.title()).toBe('MCP servers at Example Corp')
    expect(await card('hostile').getByRole('heading').textContent()).toBe(HOSTILE)
    await card('weather').getByText('Tools, prompts and resources').click()
    await card('weather').locator('[data-capabilities]').waitFor()
    expect(await card('weather').locator('[data-capabilities] > .prose').textContent()).toContain(HOSTILE)
    expect(await page.title()).toBe('MCP servers at Example Corp')
  })

  test('filters by words and by tag, and says how many are left', async () => {
    await open()
    const search = page.getByRole('searchbox', { name: 'Filter servers' })
    await search.fill('NIGHTLY sql')
    expect(await shown()).toEqual(['warehouse'])
    expect(await page.locator('[data-count]').textContent()).toBe('1 of 4 servers')
    await search.fill('nothing like this')
    expect(await page.getByText('No server fits that.').isVisible()).toBe(true)
    await search.fill('')
    const tag = page.getByRole('button', { name: 'engineering' })
    await tag.click()
    expect(await shown()).toEqual(['warehouse', 'tickets'])
    await page.getByRole('button', { name: 'writes' }).click()
    expect(await shown()).toEqual(['tickets'])
    expect(await tag.getAttribute('aria-pressed')).toBe('true')
    await page.getByRole('button', { name: HOSTILE }).click()
    expect(await shown()).toEqual([])
  })

  test('copies an endpoint and a snippet, and says so', async () => {
    await open({ permissions: ['clipboard-read', 'clipboard-write'] })
    const clipboard = (): Promise<string> => page.evaluate('navigator.clipboard.readText()')
    const copy = card('weather').getByRole('button', { name: 'Copy the endpoint of Weather' })
    await copy.click()
    await copy.getByText('Copied').waitFor()
    expect(await clipboard()).toBe(`${app.url}/weather/mcp`)

    await card('weather').getByText('Connect a client').click()
    await card('weather').getByText('VS Code', { exact: true }).click()
    await card('weather').getByRole('button', { name: 'Copy the VS Code snippet for Weather' }).click()
    await page.locator('body > [role=status]', { hasText: 'Copied' }).waitFor({ state: 'attached' })
    expect(JSON.parse(await clipboard())).toEqual({
      servers: { weather: { type: 'http', url: `${app.url}/weather/mcp` } },
    })
  })

  test('opens a card: the server is asked, and its health is that of now', async () => {
    await open()
    const weather = card('weather')
    await weather.getByText('Tools, prompts and resources').click()
    await weather.getByText('Weather service').waitFor()
    expect(await weather.locator('.health').textContent()).toBe('Answered just now')
    expect(await weather.locator('.item > summary code').allTextContents()).toEqual([
      'forecast',
      'warnings',
      'observe',
      'packing-list',
      'stations',
    ])
    await weather.getByText('forecast', { exact: true }).click()
    expect(await weather.getByText('Up to 14; 3 unless you say so', { exact: true }).isVisible()).toBe(true)

    const warehouse = card('warehouse')
    await warehouse.getByText('Tools, prompts and resources').click()
    await warehouse.getByText('The server cannot be reached').waitFor()
    expect(await warehouse.locator('.health').textContent()).toBe('Did not answer just now')
  })

  test('a list that is gone while it is looked at is said to be gone', async () => {
    await open()
    await page.route('**/mcp-servers?**', (route) => route.abort())
    await card('tickets').getByText('Tools, prompts and resources').click()
    await card('tickets').locator('.fault').waitFor()
    expect(complaints.splice(0).join()).toContain('ERR_FAILED')
    expect(await card('tickets').getByRole('link', { name: 'Ask Tickets what it offers' }).isVisible()).toBe(true)
  })

  test('everything can be reached and used by keyboard', async () => {
    await open()
    const focused = (): Promise<string> =>
      page.evaluate(`(({ tagName, textContent, ariaLabel, labels }) =>
        ariaLabel || labels?.[0]?.textContent || textContent)(document.activeElement)`)
    const stops: string[] = []
    for (let stop = 0; stop < 40 && stops.at(-1) !== 'Add to VS Code'; stop += 1) {
      await page.keyboard.press('Tab')
      stops.push((await focused()).trim())
    }
    expect(stops).toEqual(
      expect.arrayContaining(['Filter servers', 'data', `Copy the endpoint of ${HOSTILE}`, 'Add to Cursor']),
    )
    await page.keyboard.press('Tab')
    expect(await focused()).toBe('Connect a client')
    await page.keyboard.press('Enter')
    await page.keyboard.press('Tab')
    expect(await focused()).toBe('Claude Code')
    await page.keyboard.press('ArrowRight')
    expect(await focused()).toBe('Claude Desktop')
    expect(await page.locator('.pane:visible').textContent()).toContain('mcp-remote')
  })

  test('without scripts all but copying and filtering works', async () => {
    await open({ javaScriptEnabled: false })
    expect(await shown()).toHaveLength(4)
    expect(await page.getByRole('searchbox').isVisible()).toBe(false)
    expect(await page.getByText('Copy', { exact: true }).first().isVisible()).toBe(false)
    await card('weather').getByText('Connect a client').click()
    await card('weather').getByText('SDK', { exact: true }).click()
    expect(await card('weather').locator('.pane:visible').textContent()).toContain('@modelcontextprotocol/client')
    await card('weather').getByText('Tools, prompts and resources').click()
    await card('weather').getByRole('link', { name: 'Ask Weather what it offers' }).click()
    await page.getByText('forecast', { exact: true }).click()
    expect(await page.getByText('Up to 14; 3 unless you say so', { exact: true }).isVisible()).toBe(true)
    await page.getByRole('link', { name: 'All servers' }).click()
    expect(await shown()).toHaveLength(4)
  })

  test.each(['light', 'dark'] as const)(
    'axe-core finds nothing serious in the %s scheme, with everything open',
    async (colorScheme) => {
      await open({ colorScheme, bypassCSP: true })
      await openAll()
      expect(await faultsOf()).toEqual([])
    },
  )

  test('the schemes differ, and each is legible', async () => {
    const colours: string[] = []
    for (const colorScheme of ['light', 'dark'] as const) {
      await open({ colorScheme })
      colours.push(await page.evaluate('getComputedStyle(document.body).backgroundColor'))
      if (colorScheme === 'light') await context.close()
    }
    expect(colours).toEqual(['rgb(245, 245, 242)', 'rgb(17, 20, 19)'])
  })

  test('nothing is wider than a small phone', async () => {
    await open({ viewport: { width: 360, height: 700 } })
    await openAll()
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360)
  })
})
