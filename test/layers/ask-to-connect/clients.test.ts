// What real clients show a person whose account is missing: when they connect, and when they call a tool. docs/login.md has it as a table.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMCPClient } from '@ai-sdk/mcp'
import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from '@modelcontextprotocol/client'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { startService } from '../../../examples/connections/service.mjs'
import { connectSdkV1, connectSdkV2, textOf } from '../../support/clients.ts'
import { describeChromium, startChromium } from '../../support/chromium.ts'
import { startConnectionsApp } from '../../support/connections-app.ts'
import { type FakeConnections, fakeConnections } from '../../support/fake-connections.ts'
import { startGateway } from '../../support/gateway.ts'
import { throughMcpRemote } from '../../support/mcp-remote.ts'
import { startLegacyOnlyServer } from '../../support/legacy-only-server.ts'
import { closeUsed, use } from '../../support/use.ts'

const folder = mkdtempSync(join(tmpdir(), 'mcp-remote-'))

let connections: FakeConnections
let url: string

beforeEach(async () => {
  connections = fakeConnections()
  const server = await use(startLegacyOnlyServer())
  const config = { url: server.url, headers: connections.headers, bridge: true } as never
  const gateway = await use(startGateway({ servers: { crm: config }, authenticate: () => ({ id: 'ada' }) }))
  url = gateway.url('crm')
})
afterEach(closeUsed)
afterAll(() => rmSync(folder, { recursive: true }))

interface Shown {
  readonly message: string
  readonly code: unknown
  readonly links: unknown
}

/** What an error of a client has: its words, its code, and the links as data. */
async function shownBy(work: () => Promise<unknown>): Promise<Shown> {
  const error = await work().then(
    (result) => ({ message: JSON.stringify(result), code: 'none' }),
    (thrown: unknown) => thrown as { message: string; code?: unknown; data?: unknown; elicitations?: unknown },
  )
  const { data, elicitations } = error as { data?: { elicitations?: unknown }; elicitations?: unknown }
  const links = (elicitations ?? data?.elicitations) as { url: string }[] | undefined
  return { message: error.message, code: error.code, links: links?.map((each) => each.url) }
}

/** What everybody is shown who has no better way: the words of the error, which have the link. */
const shown = (number: number): object => {
  const link = `https://app.test/connections/link-${number}`
  return { message: expect.stringContaining(link), code: -32042, links: [link] }
}

test.each([
  ['SDK v1', connectSdkV1],
  ['SDK v2 with sessions', connectSdkV2],
] as const)(
  '%s has the link as data and in the words of the error, as it connects and in a call',
  async (_, connect) => {
    expect(await shownBy(() => connect(url))).toEqual(shown(1))
    connections.connect('ada')
    const client = await use(connect(url))
    connections.lose('ada')
    expect(await shownBy(() => client.call('count', { to: 1 }))).toEqual(shown(2))
    connections.connect('ada')
    expect(textOf(await client.call('count', { to: 1 }))).toContain('counted')
  },
)

test.each([[[]], [['--protocol', 'auto']]])(
  'mcp-remote %j ends when it cannot connect, and passes on the error of a call with its link',
  async (words) => {
    const connect = throughMcpRemote(folder, ...words)
    expect(await shownBy(() => connect(url))).toMatchObject({ message: expect.stringContaining('Connection closed') })
    connections.connect('ada')
    const client = await use(connect(url))
    connections.lose('ada')
    expect(await shownBy(() => client.call('count', { to: 1 }))).toEqual(shown(2))
  },
)

test('@ai-sdk/mcp has the link as data and in the words of the error, as it connects and in a call', async () => {
  const connect = () => createMCPClient({ transport: { type: 'http', url } })
  expect(await shownBy(connect)).toEqual(shown(1))
  connections.connect('ada')
  const tools = await (await use(connect())).tools()
  connections.lose('ada')
  const call = async () => tools['count']!.execute({ to: 1 }, { toolCallId: '1', messages: [] })
  expect(await shownBy(call)).toEqual(shown(2))
})

/** A client of SDK v2 for 2026-07-28, connected to a URL. */
async function modernClient(at: string, open?: (link: string) => Promise<void>, headers = {}): Promise<ClientV2> {
  const capabilities = open ? { elicitation: { url: {} } } : {}
  const client = new ClientV2({ name: 'v2', version: '1' }, { capabilities, versionNegotiation: { mode: 'auto' } })
  if (open) {
    client.setRequestHandler('elicitation/create', async ({ params }) => {
      await open((params as unknown as { url: string }).url)
      return { action: 'accept' as const }
    })
  }
  await client.connect(new TransportV2(new URL(at), { requestInit: { headers } }))
  return use(client)
}

test('SDK v2 of 2026-07-28 shows the error as it connects, and in a call where it cannot open URLs', async () => {
  expect(await shownBy(() => modernClient(url))).toEqual(shown(1))
  connections.connect('ada')
  const client = await modernClient(url)
  connections.lose('ada')
  expect(await shownBy(() => client.callTool({ name: 'count', arguments: { to: 1 } }))).toEqual(shown(2))
})

test('SDK v2 of 2026-07-28 that opens URLs says so at once, and its call waits until the account is connected', async () => {
  connections.connect('ada')
  const opened: string[] = []
  const client = await modernClient(url, async (link) => void opened.push(link))
  connections.lose('ada')
  const called = client.callTool({ name: 'count', arguments: { to: 1 } })
  await connections.waiting.next()
  connections.connect('ada')
  expect(textOf(await called)).toContain('counted')
  expect(opened).toEqual(['https://app.test/connections/link-1'])
})

describeChromium('with userConnections() and a browser', () => {
  test('a person is asked by the client, connects the account in the browser, and the call goes on', async () => {
    const service = await startService((account: string) => {
      const server = new McpServer({ name: 'tickets', version: '1.0.0' })
      server.registerTool('whoami', {}, () => ({ content: [{ type: 'text', text: account }] }))
      return server
    })
    const app = await use(
      startConnectionsApp({
        servers: (made) => ({ crm: { url: service.url, headers: made, bridge: true } }),
        connections: {
          servers: { crm: { issuer: service.origin } },
          clients: { [service.origin]: { clientId: 'app' } },
        },
      }),
    )
    service.register('app', `${app.origin}/connections/callback`)
    const browser = await use(startChromium())
    const page = await browser.newPage()
    await page.context().addCookies([{ name: 'account', value: 'lovelace', url: service.origin }])
    const complaints: string[] = []
    page.on('console', (message) => complaints.push(message.text()))

    const open = async (link: string): Promise<void> => {
      await page.goto(link)
      await page.locator('[name=user]').fill('ada')
      await page.getByRole('button', { name: 'Log in' }).click()
      await page.getByRole('button', { name: 'Connect', exact: true }).click()
      await page.waitForURL(/\/connections\/callback/)
      await page.getByRole('heading', { level: 1 }).waitFor()
    }
    const endpoint = `${app.origin}/mcp-servers/crm/mcp`
    // The server lets nobody in without a token, so the client is told as it connects.
    const first = await shownBy(() => modernClient(endpoint, open, { 'x-user': 'ada' }))
    expect(first.code).toBe(-32042)
    await open((first.links as string[])[0]!)
    const client = await modernClient(endpoint, open, { 'x-user': 'ada' })
    expect(textOf(await client.callTool({ name: 'whoami', arguments: {} }))).toBe('lovelace')
    // The account is gone in the middle: now the client itself asks, and the call waits.
    await app.connections.disconnect('ada', 'crm')
    await page.context().clearCookies({ domain: '127.0.0.1', name: 'connect.sid' })
    await page.context().addCookies([{ name: 'account', value: 'byron', url: service.origin }])
    expect(textOf(await client.callTool({ name: 'whoami', arguments: {} }))).toBe('byron')
    expect(complaints.filter((words) => !words.includes('404'))).toEqual([])
    service.close()
  })
})
