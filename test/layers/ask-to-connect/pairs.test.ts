// The layer that asks for connections together with bridges, aggregates, interceptors, an event log and HTTP+SSE.
import { MemoryEventLog } from '../../../lib/index.ts'
import type { GatewayOptions, McpMessage, MemberServer } from '../../../lib/index.ts'
import { aggregated, member as startMember, modernMember } from '../../support/aggregated.ts'
import { type FakeConnections, fakeConnections } from '../../support/fake-connections.ts'
import { type RunningGateway, startGateway } from '../../support/gateway.ts'
import { startLegacyOnlyServer } from '../../support/legacy-only-server.ts'
import { listen } from '../../support/listen.ts'
import { META, modernRequest, postModern } from '../../support/modern.ts'
import { startModernOnlyServer } from '../../support/modern-only-server.ts'
import { type Answer, initialize, initializeMessage, post, type Session } from '../../support/rpc.ts'
import { closeUsed, use } from '../../support/use.ts'

const LINK = 'https://app.test/connections/link-1'

let connections: FakeConnections
beforeEach(() => {
  connections = fakeConnections()
})
afterEach(closeUsed)

/** Who it is stands in a header. */
const authenticate: GatewayOptions['authenticate'] = ({ headers }) => ({ id: String(headers['x-user'] ?? 'ada') })

const start = (config: object, options: Partial<GatewayOptions> = {}): Promise<RunningGateway> =>
  use(
    startGateway({ servers: { one: { headers: connections.headers, ...config } as never }, authenticate, ...options }),
  )

/** A request of a client of 2026-07-28 that opens URLs. */
function modern(method: string, params: object = {}, id = 1): ReturnType<typeof modernRequest> {
  const capabilities = { elicitation: { url: {}, form: {} } }
  return modernRequest(
    method,
    { ...params, _meta: { [META.protocolVersion]: '2026-07-28', [META.clientCapabilities]: capabilities } },
    id,
  )
}

interface Asked {
  readonly resultType: string
  readonly requestState: string
  readonly inputRequests: Readonly<Record<string, { readonly params: object }>>
  readonly content: unknown
  readonly tools: readonly { readonly name: string }[]
  readonly _meta: Readonly<Record<string, Readonly<Record<string, string>>>>
}

const resultOf = ({ message }: Answer): Asked => message!.result as Asked
const errorOf = ({ message }: Answer): { code: number; message: string; data: { elicitations: { url: string }[] } } =>
  message!.error as never

function retryOf(message: ReturnType<typeof modernRequest>, { requestState }: Asked): ReturnType<typeof modernRequest> {
  const key = 'connection_1'
  const inputResponses = { [key]: { action: 'accept' } }
  return { ...message, id: 2, params: { ...message.params, requestState, inputResponses } }
}

/** Connects while the retry is held. */
async function heldUntilConnected(
  url: string,
  message: ReturnType<typeof modernRequest>,
  asked: Asked,
): Promise<Asked> {
  const held = postModern(url, retryOf(message, asked))
  const { user } = await connections.waiting.next()
  connections.connect(user)
  return resultOf(await held)
}

describe('with bridges', () => {
  test('a client with sessions is refused in its era by a server of 2026-07-28, and served there once connected', async () => {
    const server = await use(startModernOnlyServer())
    const url = (await start({ url: server.url })).url('one')
    const refused = await post(url, initializeMessage())
    expect(refused.status).toBe(200)
    expect(errorOf(refused)).toMatchObject({ code: -32042, data: { elicitations: [{ url: LINK }] } })
    connections.connect('ada')
    const session = await initialize(url)
    connections.lose('ada')
    expect(errorOf(await session.request('tools/call', { name: 'touch', arguments: {} })).code).toBe(-32042)
    connections.connect('ada')
    expect((await session.request('tools/call', { name: 'touch', arguments: {} })).message!.result).toMatchObject({
      content: [{ text: 'touched' }],
    })
  })

  test('a client of 2026-07-28 is asked in its era before a session is opened for it, and its retry uses one', async () => {
    const server = await use(startLegacyOnlyServer())
    const url = (await start({ url: server.url, bridge: true, protocol: 'legacy' })).url('one')
    const call = modern('tools/call', { name: 'count', arguments: {} })
    const asked = resultOf(await postModern(url, call))
    expect(asked).toMatchObject({
      resultType: 'input_required',
      inputRequests: { connection_1: { params: { url: LINK } } },
    })
    expect(await heldUntilConnected(url, call, asked)).toMatchObject({ resultType: 'complete' })
  })

  test('two users at once, while it is not known which era the server has, each get their own link', async () => {
    const server = await use(startLegacyOnlyServer())
    const url = (await start({ url: server.url, bridge: true })).url('one')
    const call = modern('tools/call', { name: 'count', arguments: {} })
    const urls = await Promise.all(
      ['ada', 'bob'].map(async (user) => {
        const { inputRequests } = resultOf(await postModern(url, call, { 'x-user': user }))
        return (inputRequests['connection_1']!.params as { url: string }).url
      }),
    )
    expect(new Set(urls).size).toBe(2)
    connections.connect('bob')
    const [first, second] = await Promise.all(
      ['ada', 'bob'].map(async (user) => resultOf(await postModern(url, call, { 'x-user': user }))),
    )
    expect([first!.resultType, second!.resultType]).toEqual(['input_required', 'complete'])
  })
})

describe('in an aggregate', () => {
  const withAccount = ({ url }: { readonly url: string }): MemberServer => ({ url, headers: connections.headers })
  const names = ({ tools }: Asked): string[] => tools.map(({ name }) => name).toSorted()
  const missing = ({ _meta }: Asked): Readonly<Record<string, string>> => _meta['express-mcp-gateway/missing']!

  test('a member without the account is missing in lists, whose reason is the link, and its calls are its own error', async () => {
    const [crm, wiki] = [await startMember(['find']), await startMember(['read'])]
    const gateway = await aggregated({ members: { crm: withAccount(crm), wiki }, gateway: { authenticate } })
    const session = await initialize(gateway.url('desk'))
    const list = resultOf(await session.request('tools/list'))
    expect(names(list)).toEqual(['wiki__read'])
    expect(missing(list)['crm']).toContain(LINK)
    const refused = errorOf(await session.request('tools/call', { name: 'crm__find', arguments: {} }))
    expect(refused).toMatchObject({ code: -32042, data: { elicitations: [{ url: LINK }] } })
    expect((await session.request('tools/call', { name: 'wiki__read', arguments: {} })).message!.result).toBeDefined()
    connections.connect('ada')
    expect(names(resultOf(await session.request('tools/list')))).toEqual(['crm__find', 'wiki__read'])
    expect((await session.request('tools/call', { name: 'crm__find', arguments: {} })).message!.result).toBeDefined()
    // That a user has no account there is nothing for the operator.
    expect(gateway.reported.entries).toEqual([])
  })

  test('a client of 2026-07-28 is asked for the account of the member that it calls', async () => {
    const [crm, wiki] = [await modernMember(['find']), await modernMember(['read'])]
    const gateway = await aggregated({ members: { crm: withAccount(crm), wiki }, gateway: { authenticate } })
    const url = gateway.url('desk')
    const list = resultOf(await postModern(url, modern('tools/list')))
    expect([names(list), missing(list)['crm']]).toEqual([['wiki__read'], expect.stringContaining(LINK)])
    const call = modern('tools/call', { name: 'crm__find', arguments: {} })
    const asked = resultOf(await postModern(url, call))
    expect(asked.resultType).toBe('input_required')
    await heldUntilConnected(url, call, asked)
    const [sent] = crm.requests('tools/call')
    expect(sent!.message!.params).not.toHaveProperty('requestState')
    expect(sent!.message!.params).not.toHaveProperty('inputResponses')
    expect(gateway.reported.entries).toEqual([])
  })

  test('whose members all need accounts, the handshake has the links of all, and no client falls back to another era', async () => {
    const wiki = fakeConnections('wiki.test')
    const [first, second] = [await modernMember(['find']), await modernMember(['read'])]
    const other = { url: second.url, headers: wiki.headers } as unknown as MemberServer
    const members = { crm: withAccount(first), wiki: other }
    const url = (await aggregated({ members, gateway: { authenticate } })).url('desk')
    for (const answer of [await post(url, initializeMessage()), await postModern(url, modern('server/discover'))]) {
      expect(answer.status).toBe(200)
      expect(errorOf(answer)).toMatchObject({ code: -32042, message: expect.stringContaining('wiki.test') })
      expect(errorOf(answer).data.elicitations).toHaveLength(2)
    }
  })

  test('a session hears that the lists have changed once its user has connected', async () => {
    const [crm, wiki] = [await startMember(['find']), await startMember(['read'])]
    const gateway = await aggregated({ members: { crm: withAccount(crm), wiki }, gateway: { authenticate } })
    const session = await initialize(gateway.url('desk'))
    const stream = await session.listen()
    await session.request('tools/list')
    connections.connect('ada')
    await session.request('tools/call', { name: 'crm__find', arguments: {} })
    const heard = new Set<string | undefined>()
    while (!heard.has('notifications/tools/list_changed')) heard.add((await stream.nextMessage()).method)
    stream.close()
  })
})

describe('with interceptors', () => {
  test('of the gateway and of the server, the links pass those who look at elicitations, and one may refuse them', async () => {
    const server = await startMember(['find'])
    const seen: string[] = []
    let isAllowed = true
    const look = (place: string) => ({
      async 'elicitation/create'(
        message: McpMessage & { readonly params: { readonly url?: unknown } },
        next: (params?: never) => Promise<never>,
      ) {
        seen.push(`${place} ${String(message.params.url)}`)
        if (!isAllowed) throw new Error('not here')
        return next()
      },
    })
    const config = { url: server.url, intercept: look('server') }
    const url = (await start(config, { intercept: look('gateway') as never })).url('one')
    expect(errorOf(await post(url, initializeMessage())).code).toBe(-32042)
    const call = modern('tools/call', { name: 'find', arguments: {} })
    const asked = resultOf(await postModern(url, call))
    expect(asked.resultType).toBe('input_required')
    expect(seen).toEqual([`server ${LINK}`, `gateway ${LINK}`, `server ${LINK}`, `gateway ${LINK}`])
    await heldUntilConnected(url, call, asked)
    connections.lose('ada')
    isAllowed = false
    expect(errorOf(await postModern(url, call)).data).toBeUndefined()
  })

  test('see the call, but not the retry of a link that was forged', async () => {
    const server = await modernMember(['find'])
    const url = (await start({ url: server.url })).url('one')
    const call = modern('tools/call', { name: 'find', arguments: {}, requestState: 'mcpgw-connect.forged' })
    expect(errorOf(await postModern(url, call)).code).toBe(-32602)
    expect(server.requests('tools/call')).toEqual([])
  })
})

test('with an event log, a stream waits for the account, and the log has what it hears then', async () => {
  const server = await startMember(['find'])
  const url = (await start({ url: server.url }, { events: new MemoryEventLog() })).url('one')
  connections.connect('ada')
  const session: Session = await initialize(url)
  const stream = await session.listen()
  await server.nextRequest('GET')
  connections.lose('ada')
  expect(errorOf(await session.request('tools/list')).code).toBe(-32042)
  await connections.waiting.next()
  connections.connect('ada')
  const complete = await stream.nextMessage()
  expect(complete).toMatchObject({ method: 'notifications/elicitation/complete', params: { elicitationId: 'link-1' } })
  stream.close()
})

describe('with a server of HTTP+SSE', () => {
  test('the stream is not opened without the account, and a message that is sent without it is refused alone', async () => {
    let push: ((message: object) => void) | undefined
    const server = await use(
      listen((req, res) => {
        if (req.method === 'GET') {
          res.writeHead(200, { 'content-type': 'text/event-stream' })
          res.write('event: endpoint\ndata: /messages\n\n')
          push = (message) => void res.write(`event: message\ndata: ${JSON.stringify(message)}\n\n`)
          return
        }
        let body = ''
        req.on('data', (chunk: Buffer) => (body += chunk.toString()))
        req.on('end', () => {
          res.writeHead(202).end()
          const { id, method } = JSON.parse(body) as { id?: number; method: string }
          const result = method === 'initialize' ? { protocolVersion: '2025-11-25', capabilities: {} } : { tools: [] }
          if (id !== undefined) push!({ jsonrpc: '2.0', id, result })
        })
      }),
    )
    const url = (await start({ type: 'sse', url: `${server.origin}/sse` })).url('one')
    expect(errorOf(await post(url, initializeMessage()))).toMatchObject({ code: -32042, data: { elicitations: [{}] } })
    expect(push).toBeUndefined()
    connections.connect('ada')
    const session = await initialize(url)
    connections.lose('ada')
    expect(errorOf(await session.request('tools/list'))).toMatchObject({ code: -32042, data: { elicitations: [{}] } })
    connections.connect('ada')
    expect(resultOf(await session.request('tools/list')).tools).toEqual([])
  })
})
