// The page in a real browser: with and without scripts, in both schemes, by mouse and by keyboard.
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core'
import { mcpGateway } from '../../lib/index.ts'
import { serverDirectory } from '../../lib/directory/index.ts'
import { HOSTILE, startDirectoryApp } from '../fixtures/directory-app.mjs'
import { seriousFaults } from '../support/axe.ts'
import { describeChromium, startChromium } from '../support/chromium.ts'

// Browsers are slow where the machine is busy.
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
      if (!request.url().startsWith(app.url) && !request.url().startsWith('data:'))
        complaints.push(`asked for ${request.url()}`)
    })
    await page.goto(app.url)
  }

  /** The page of a server, from the list. */
  async function openServer(title: string): Promise<void> {
    await page.getByRole('link', { name: title, exact: true }).click()
    await page.locator('[data-capabilities]').waitFor()
  }

  const card = (name: string): Locator => page.locator('[data-card]', { has: page.getByText(name, { exact: true }) })
  const shown = async (): Promise<string[]> => page.locator('[data-card]:visible .name code').allTextContents()

  /** Opens whatever can be opened. */
  async function openAll(): Promise<void> {
    await page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true })")
  }

  test('lists every server, as text: a title that is a script does nothing', async () => {
    await open()
    expect(await shown()).toEqual(['hostile', 'warehouse', 'tickets', 'weather'])
    expect(await page.title()).toBe('MCP servers at Example Corp')
    expect(await card('hostile').getByRole('heading').textContent()).toBe(HOSTILE)
    await openServer('Weather')
    expect(await page.locator('pre.instructions').textContent()).toContain(HOSTILE)
    expect(await page.title()).toBe('Weather – MCP servers at Example Corp')
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
    await card('weather').getByText('Connect', { exact: true }).click()
    const copy = card('weather').getByRole('button', { name: 'Copy the endpoint of Weather' })
    await copy.click()
    await copy.getByText('Copied').waitFor()
    expect(await clipboard()).toBe(`${app.url}/weather/mcp`)

    await card('weather').getByText('VS Code', { exact: true }).click()
    await card('weather').getByRole('button', { name: 'Copy the VS Code snippet for Weather' }).click()
    await page.locator('body > [role=status]', { hasText: 'Copied' }).waitFor({ state: 'attached' })
    expect(JSON.parse(await clipboard())).toEqual({
      servers: { weather: { type: 'http', url: `${app.url}/weather/mcp` } },
    })
  })

  test("a server's page: its own title and health, tools first, and a way back", async () => {
    await open()
    await openServer('Weather')
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('Weather')
    expect(await page.locator('.identity').textContent()).toMatch(/Weather service\s+version 2\.3\.1/)
    expect(await page.locator('.health').textContent()).toBe('Answered just now')
    expect(await page.locator('.item > summary code').allTextContents()).toEqual([
      'forecast',
      'warnings',
      'observe',
      'packing-list',
      'stations',
    ])
    expect(await page.locator('.contents a').allTextContents()).toEqual(['Tools 3', 'Prompts 1', 'Resources 1'])
    await page.getByText('forecast', { exact: true }).click()
    expect(await page.getByText('Up to 14; 3 unless you say so', { exact: true }).first().isVisible()).toBe(true)
    await page.getByRole('link', { name: 'MCP servers at Example Corp' }).click()
    await openServer('Data warehouse')
    expect(await page.locator('.fault').textContent()).toContain('The server cannot be reached')
    expect(await page.locator('.health').textContent()).toBe('Did not answer just now')
  })

  test('everything can be reached and used by keyboard', async () => {
    await open()
    const focused = (): Promise<string> =>
      page.evaluate(`(({ tagName, textContent, ariaLabel, labels }) =>
        ariaLabel || labels?.[0]?.textContent || textContent)(document.activeElement)`)
    const stops: string[] = []
    const tabTo = async (stop: string): Promise<void> => {
      for (let count = 0; count < 40 && stops.at(-1) !== stop; count += 1) {
        await page.keyboard.press('Tab')
        stops.push((await focused()).trim())
      }
    }
    await tabTo('Connect a client to Weather')
    await page.keyboard.press('Enter')
    await tabTo('Claude Code')
    expect(stops).toEqual(
      expect.arrayContaining([
        'Filter servers',
        'data',
        HOSTILE,
        'Weather',
        'Copy the endpoint of Weather',
        'Add to Cursor',
      ]),
    )
    await page.keyboard.press('ArrowRight')
    expect(await focused()).toBe('Claude Desktop')
    expect(await page.locator('.pane:visible').textContent()).toContain('mcp-remote')
  })

  test('without scripts all but copying and filtering works', async () => {
    await open({ javaScriptEnabled: false })
    expect(await shown()).toHaveLength(4)
    expect(await page.getByRole('searchbox').isVisible()).toBe(false)
    expect(await page.getByText('Copy', { exact: true }).first().isVisible()).toBe(false)
    await card('weather').getByText('Connect', { exact: true }).click()
    await card('weather').getByText('SDK', { exact: true }).click()
    expect(await card('weather').locator('.pane:visible').textContent()).toContain('@modelcontextprotocol/client')
    await openServer('Weather')
    await page.getByText('forecast', { exact: true }).click()
    expect(await page.getByText('Up to 14; 3 unless you say so', { exact: true }).isVisible()).toBe(true)
    await page.getByRole('link', { name: 'MCP servers at Example Corp' }).click()
    expect(await shown()).toHaveLength(4)
  })

  test.each(['light', 'dark'] as const)(
    'axe-core finds nothing serious in the %s scheme, with everything open',
    async (colorScheme) => {
      await open({ colorScheme, bypassCSP: true })
      await openAll()
      expect(await seriousFaults(page)).toEqual([])
      await page.goto(`${app.url}?server=weather`)
      await openAll()
      const item = page.locator('.item', { hasText: 'forecast' })
      await item.getByLabel('place').fill('Oslo')
      await item.getByRole('button', { name: 'Run' }).click()
      await item.getByText(/^Done in/).waitFor()
      expect(await seriousFaults(page)).toEqual([])
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
    await page.goto(`${app.url}?server=weather`)
    await openAll()
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360)
  })
})
