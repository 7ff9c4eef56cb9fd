// A gateway with servers to try things on, and a page that tells what the browser complained about.
import { randomUUID } from 'node:crypto'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import express from 'express'
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core'
import { type GatewayOptions, mcpGateway } from '../../../lib/index.ts'
import { serverDirectory, type ServerDirectoryOptions } from '../../../lib/directory/index.ts'
import { startDualEraServer } from '../../fixtures/dual-era-server.mjs'
import { listen } from '../../support/listen.ts'
import { createSdkV1Server } from '../../support/sdk-v1-server.ts'
import { serveSessions } from '../../support/sessions.ts'
import { type Exchange, startUpstream, type Upstream } from '../../support/upstream.ts'

/** What a page is asked to run. */
export const HOSTILE = `<script>document.title='owned'</script>"'><img src=x onerror="document.title='owned'">`

/** Signed in by a cookie, as a person at a browser is. */
export const SIGNED_IN = { name: 'user', value: 'ada' }

export type TrialApp = Awaited<ReturnType<typeof startTrialApp>>

export async function startTrialApp(
  given: { gateway?: Partial<GatewayOptions>; directory?: Omit<ServerDirectoryOptions, 'gateway'> } = {},
) {
  const [legacy, modern] = [await startDualEraServer({ modern: false }), await startDualEraServer({ legacy: 'reject' })]
  const [sdk, hostile, crowded] = [await startAloud(), await startHostile(), await startCrowded()]
  const servers = {
    legacy: { url: legacy.url },
    modern: { url: modern.url },
    sdk: { url: sdk.url, title: 'SDK' },
    hostile: { url: hostile.url, title: HOSTILE },
    crowded: { url: crowded.url },
  }
  const gateway = mcpGateway({
    servers,
    authenticate: ({ headers }) => (/user=(\w+)/.test(headers.cookie ?? '') ? { id: 'ada' } : undefined),
    onError() {},
    ...given.gateway,
  })
  const app = express().use(
    '/mcp-servers',
    gateway,
    serverDirectory({ gateway, activity: () => true, ...given.directory }),
  )
  const listening = await listen(app)
  return {
    origin: listening.origin,
    url: `${listening.origin}/mcp-servers`,
    sdk,
    hostile,
    async close() {
      await gateway.close({ graceMs: 0 })
      await listening.close()
      for (const server of [legacy, modern, sdk, hostile, crowded]) await server.close()
    },
  }
}

/** A server of SDK v1, with a tool that asks on the session's own stream. */
function startAloud() {
  return serveSessions(async (stage, opened) => {
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      onsessioninitialized: opened,
    })
    const server = createSdkV1Server(stage)
    server.registerTool('ask-aloud', { annotations: { readOnlyHint: true } }, async () => {
      const requestedSchema = { type: 'object', properties: { colour: { type: 'string' } } } as const
      const { action, content } = await server.server.elicitInput({ message: 'Which colour?', requestedSchema })
      return { content: [{ type: 'text', text: `${action}: ${String(content?.['colour'])}` }] }
    })
    await server.connect(transport)
    return transport
  })
}

const READS = { annotations: { readOnlyHint: true } }
const NODE = { type: 'object', properties: { name: { type: 'string' }, next: { $ref: '#' } } }

/** Tools whose schemas a form must survive. */
const HOSTILE_TOOLS = [
  {
    name: HOSTILE,
    description: HOSTILE,
    inputSchema: { type: 'object', properties: { [HOSTILE]: { enum: [HOSTILE] } } },
  },
  { name: 'huge', inputSchema: { type: 'object', properties: manyFields(10_000) } },
  { name: 'recursive', inputSchema: NODE },
  { name: 'itself', inputSchema: { type: 'object', properties: { a: { $ref: '#/properties/a' } } } },
  { name: 'proto', inputSchema: JSON.parse('{"type":"object","properties":{"__proto__":{"type":"string"}}}') },
  { name: 'no-schema', inputSchema: { anyOf: [{ type: 'object' }] } },
  ...['script', 'long', 'svg', 'deep', 'link', 'wait', 'url', 'talk', 'parts'].map((name) => ({
    name,
    inputSchema: { type: 'object' },
  })),
].map((tool) => Object.assign(tool, READS))

function manyFields(count: number): object {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`field-${index}`, { type: 'string' }]))
}

async function startHostile(): Promise<Upstream> {
  const upstream = await startUpstream()
  upstream.on('server/discover', (exchange) => exchange.error(-32000, 'Bad Request: Server not initialized', 400))
  upstream.on('tools/list', (exchange) => exchange.result({ tools: HOSTILE_TOOLS }))
  const answers: string[] = []
  upstream.on('response', (exchange) => {
    const { action } = exchange.message!.result as { action: string }
    exchange.status(202)
    if (answers.push(action) === 2) finishPages(answers)
  })
  upstream.on('tools/call', (exchange) => {
    const { name, arguments: given } = exchange.message!.params as { name: string; arguments: object }
    const text = (value: string) => ({ content: [{ type: 'text', text: value }] })
    const svg = Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`).toString(
      'base64',
    )
    const results: Record<string, object | undefined> = {
      script: { ...text(HOSTILE), structuredContent: { [HOSTILE]: HOSTILE } },
      long: text(`${HOSTILE}${'x'.repeat(5 * 1024 * 1024)}`),
      svg: {
        content: [
          { type: 'image', data: svg, mimeType: 'image/svg+xml' },
          { type: 'image', data: '%', mimeType: '' },
        ],
      },
      link: {
        content: [
          { type: 'resource_link', uri: 'javascript:alert(1)', name: 'bad' },
          { type: 'resource_link', uri: 'https://docs.example.com/a', name: 'good' },
        ],
      },
      parts: { content: Array.from({ length: 250 }, (_, index) => ({ type: 'text', text: `part ${index}` })) },
      deep: { content: [], structuredContent: JSON.parse('[1]') as object },
    }
    if (name === 'talk') return talk(exchange)
    if (name === 'url') return askForPages(exchange)
    // It never comes.
    if (name === 'wait') return void exchange.stream()
    return exchange.result({ ...(results[name] ?? text(JSON.stringify(given))) })
  })
  return upstream
}

/** A server with forty tools, each of which says its own name. */
async function startCrowded(): Promise<Upstream> {
  const upstream = await startUpstream()
  const tools = Array.from({ length: 40 }, (_, index) => ({
    name: `tool-${index}`,
    description: `Does what number ${index} does.`,
    inputSchema: { type: 'object', properties: { text: { type: 'string' } } },
    ...READS,
  }))
  upstream.on('server/discover', (exchange) => exchange.error(-32000, 'Bad Request: Server not initialized', 400))
  upstream.on('tools/list', (exchange) => exchange.result({ tools }))
  upstream.on('tools/call', (exchange) => {
    const { name } = exchange.message!.params as { name: string }
    exchange.result({ content: [{ type: 'text', text: `This is ${name}.` }] })
  })
  return upstream
}

/** Says 150 things before it answers. */
function talk(exchange: Exchange): void {
  const stream = exchange.stream()
  for (let said = 0; said < 150; said += 1) {
    const params = { level: 'info', data: said === 0 ? 'x'.repeat(30_000) : `said ${said}` }
    void stream.send({ jsonrpc: '2.0', method: 'notifications/message', params })
  }
  stream.finish({ content: [] })
}

/** Asks for two pages to be opened, the first of which no page should open, and says what it was answered. */
function askForPages(exchange: Exchange): void {
  const stream = exchange.stream()
  const urls = ['javascript:alert(1)', 'https://id.example.com/connect']
  for (const [id, url] of urls.entries()) {
    const params = { mode: 'url', message: `Open page ${id}`, url, elicitationId: `e${id}` }
    void stream.send({ jsonrpc: '2.0', id: `ask-${id}`, method: 'elicitation/create', params })
  }
  finishPages = (answers) => stream.finish({ content: [{ type: 'text', text: answers.join(' ') }] })
}

let finishPages: (answers: string[]) => void = () => {}

/** A tab on a server's page. */
export interface Tab {
  readonly page: Page
  /** Policy violations, errors, requests to elsewhere. */
  readonly complaints: string[]
  item(name: string): Locator
  /** Opens an item and presses its button; confirms where it is asked to. */
  run(name: string, fill?: (item: Locator) => Promise<void>): Promise<Locator>
  close(): Promise<void>
}

export async function openTab(
  browser: Browser,
  app: Pick<TrialApp, 'url' | 'origin'>,
  server: string,
  options: BrowserContextOptions = {},
): Promise<Tab> {
  const context = await browser.newContext(options)
  await context.addCookies([{ ...SIGNED_IN, url: app.origin }])
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`))
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('request', (request) => {
    if (!request.url().startsWith('data:') && !request.url().startsWith(app.url))
      complaints.push(`asked for ${request.url()}`)
  })
  await page.goto(server === '' ? app.url : `${app.url}?server=${encodeURIComponent(server)}`)
  const item = (name: string): Locator =>
    page.locator('.item', { has: page.locator('summary code').getByText(name, { exact: true }) })
  return {
    page,
    complaints,
    item,
    async run(name, fill = async () => {}) {
      const found = item(name)
      if ((await found.getAttribute('open')) === null) await found.locator('> summary').click()
      await fill(found)
      await found.locator('.trial > form [type=submit]').click()
      if ((await found.getAttribute('data-confirm')) !== null)
        await page.getByRole('button', { name: 'Run it' }).click()
      return found
    },
    close: () => context.close(),
  }
}
