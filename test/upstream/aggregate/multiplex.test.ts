// The names of agentgateway's tests of several targets behind one URL (mcp_tests.rs), each as it is here.
import { aggregate, type Interceptor, SealedSessionStore } from '../../../lib/index.ts'
import { aggregated, DEAD, member, modernMember, serveList } from '../../support/aggregated.ts'
import { startGateway } from '../../support/gateway.ts'
import { META, modernRequest, openModern, postModern } from '../../support/modern.ts'
import { initialize, initializeMessage, post, type Session } from '../../support/rpc.ts'
import type { Upstream } from '../../support/upstream.ts'
import { closeUsed, use } from '../../support/use.ts'

afterEach(closeUsed)

type Result = Record<string, unknown>

const call = (name: string, id = 1) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name } })
const asked = (upstream: Upstream): string[] =>
  upstream
    .requests()
    .map(({ kind }) => kind)
    .filter((kind) => kind !== 'GET')
const resultOf = async (session: Session, method: string, params: object = {}): Promise<Result> =>
  (await session.request(method, params)).message!.result as Result
const namesOf = ({ tools }: Result): string[] => (tools as { name: string }[]).map(({ name }) => name)

async function two(tools: readonly (readonly string[])[] = [['a'], ['b']]) {
  const members = { one: await member(tools[0]), two: await member(tools[1]) }
  const gateway = await aggregated({ members })
  return { ...members, gateway, session: await initialize(gateway.url('desk')) }
}

test('stream_to_multiplex', async () => {
  const { session } = await two()
  expect(namesOf(await resultOf(session, 'tools/list'))).toEqual(['one__a', 'two__b'])
  expect((await session.post(call('two__b'))).message?.result).toBeDefined()
})

test('stream_to_multiplex_resources', async () => {
  const { one, two: other, session } = await two()
  for (const each of [one, other]) serveList(each, 'resources/list', [{ uri: 'memo://insights', name: 'i' }])
  expect(await resultOf(session, 'resources/list')).toMatchObject({
    resources: [{ uri: 'one+memo://insights' }, { uri: 'two+memo://insights' }],
  })
  other.on('resources/read', ({ message, result }) =>
    result({ contents: [{ uri: message?.params?.['uri'], text: 'x' }] }),
  )
  expect(await resultOf(session, 'resources/read', { uri: 'two+memo://insights' })).toEqual({
    contents: [{ uri: 'two+memo://insights', text: 'x' }],
  })
  expect(asked(one)).not.toContain('resources/read')
})

test('apps_ui_meta_and_resources_multiplexed', async () => {
  const { one, session } = await two()
  const _meta = { ui: { resourceUri: 'ui://chart/a' } }
  serveList(one, 'tools/list', [{ name: 'a', inputSchema: { type: 'object' }, _meta }])
  one.on('resources/read', ({ message, result }) => result({ contents: [{ uri: message?.params?.['uri'], text: '' }] }))
  expect(await resultOf(session, 'tools/list')).toMatchObject({
    tools: [{ _meta: { ui: { resourceUri: 'ui://one/chart/a' } } }, {}],
  })
  await resultOf(session, 'resources/read', { uri: 'ui://one/chart/a' })
  expect(one.requests('resources/read')[0]!.message?.params?.['uri']).toBe('ui://chart/a')
})

test('apps_single_target_passthrough_keeps_upstream_uris', async () => {
  const one = await member()
  serveList(one, 'resources/list', [{ uri: 'ui://chart/a', name: 'a' }])
  const gateway = await aggregated({ members: { one }, options: { separator: false } })
  const session = await initialize(gateway.url('desk'))
  expect(await resultOf(session, 'resources/list')).toEqual({ resources: [{ uri: 'ui://chart/a', name: 'a' }] })
})

describe('without a separator', () => {
  const bare = async (tools: readonly (readonly string[])[], modern = false) => {
    const make = modern ? modernMember : member
    const members = { one: await make(tools[0]), two: await make(tools[1]) }
    return { ...members, gateway: await aggregated({ members, options: { separator: false } }) }
  }

  test('multiplex_never_prefix_routes_unprefixed_names', async () => {
    const { two: other, gateway } = await bare([['a'], ['b']])
    await (await initialize(gateway.url('desk'))).post(call('b'))
    expect(asked(other)).toContain('tools/call')
  })

  test('multiplex_never_prefix_drops_ambiguous_names', async () => {
    const { gateway } = await bare([['a', 'both'], ['both']])
    const session = await initialize(gateway.url('desk'))
    expect(namesOf(await resultOf(session, 'tools/list'))).toEqual(['a'])
    expect((await session.post(call('both'))).message?.error).toMatchObject({ code: -32602 })
  })

  test('multiplex_never_prefix_resolves_names_on_later_pages', async () => {
    const { two: other, gateway } = await bare([['a'], []])
    const tools = Array.from({ length: 70 }, (_, index) => ({ name: `b${index}`, inputSchema: { type: 'object' } }))
    serveList(other, 'tools/list', tools, 1)
    await (await initialize(gateway.url('desk'))).post(call('b69'))
    expect(other.requests('tools/call')[0]!.message?.params?.['name']).toBe('b69')
  })

  test('stateless_multiplex_never_prefix_tool_call_resolves_target', async () => {
    const { two: other, gateway } = await bare([['a'], ['b']], true)
    await postModern(gateway.url('desk'), modernRequest('tools/call', { name: 'b' }))
    expect(other.requests('tools/call')).toHaveLength(1)
  })
})

test('multiplex_advertises_tool_and_resource_subscribe_capabilities', async () => {
  const { session } = await two()
  expect(session.opening.message?.result).toMatchObject({
    capabilities: { tools: { listChanged: true }, resources: { subscribe: true } },
  })
})

test('stateless_multiplex_does_not_advertise_resource_subscribe: here it does, and keeps its word', async () => {
  const one = await member()
  one.on('resources/subscribe', ({ result }) => result({}))
  const sessions = new SealedSessionStore({ keys: ['a secret of 32 characters or more, the same on each node'] })
  const gateway = await aggregated({ members: { one }, gateway: { sessions } })
  const session = await initialize(gateway.url('desk'))
  expect(await resultOf(session, 'resources/subscribe', { uri: 'one+a:1' })).toEqual({})
})

test.each(['tools/call', 'prompts/get'])('stateless_multiplex_*_initializes_only_target: %s', async (method) => {
  const members = { one: await modernMember(), two: await modernMember() }
  members.one.on('prompts/get', ({ result }) => result({ resultType: 'complete', messages: [] }))
  const gateway = await aggregated({ members })
  await postModern(gateway.url('desk'), modernRequest(method, { name: 'one__echo' }))
  expect([asked(members.one), asked(members.two)]).toEqual([[method], []])
})

test('stateless_multiplex_delete_session_skips_uninitialized_targets', async () => {
  const one = await member()
  const gateway = await aggregated({ members: { one, dead: DEAD } })
  const session = await initialize(gateway.url('desk'))
  expect((await session.end()).status).toBe(200)
  expect(one.sessions.size).toBe(0)
})

test('modern_client_multiplex_mixed_servers_falls_back_to_legacy_initialize: here it is served by the modern ones', async () => {
  const old = { url: (await member()).url, protocol: 'legacy' as const, bridge: false as const }
  const gateway = await aggregated({ members: { modern: await modernMember(['x']), old } })
  const listed = await postModern(gateway.url('desk'), modernRequest('tools/list'))
  expect(namesOf(listed.message!.result as Result)).toEqual(['modern__x'])
})

test('old_client_multiplex_mixed_servers_uses_legacy_session_flow', async () => {
  const modern = { url: (await modernMember(['x'])).url, protocol: 'modern' as const }
  const gateway = await aggregated({ members: { modern, old: await member(['y']) } })
  const session = await initialize(gateway.url('desk'))
  expect(namesOf(await resultOf(session, 'tools/list'))).toEqual(['modern__x', 'old__y'])
})

test('modern_task_id_namespaced_when_multiplexing: here tasks are not offered', async () => {
  const gateway = await aggregated({ members: { one: await modernMember() } })
  const answer = await postModern(gateway.url('desk'), modernRequest('tasks/get', { taskId: 't' }))
  expect([answer.status, answer.message?.error?.code]).toEqual([404, -32601])
})

test('legacy_multiplex_invalid_target_keeps_internal_error: here it is -32602, as for any tool that is not there', async () => {
  const { session } = await two()
  expect((await session.post(call('three__a'))).message?.error).toMatchObject({ code: -32602 })
})

test('multiplexed_pong_routes_to_pinging_upstream', async () => {
  const { one, two: other, session } = await two()
  other.on('tools/call', (exchange) => void exchange.stream().send({ id: 1, method: 'ping' }))
  const stream = await session.stream(call('two__b'))
  const { id } = await stream.nextMessage()
  await session.post({ jsonrpc: '2.0', id: id!, result: {} })
  expect((await other.nextRequest('response')).message).toMatchObject({ id: 1, result: {} })
  expect(asked(one)).not.toContain('response')
  stream.close()
})

test('multiplex_server_discover_advertises_intersection: here a fixed set, on every node', async () => {
  const gateway = await aggregated({ members: { one: await modernMember() } })
  const { message } = await postModern(gateway.url('desk'), modernRequest('server/discover'))
  const opened = await post(gateway.url('desk'), initializeMessage())
  const capabilities = (message!.result as Result)['capabilities']
  expect(capabilities).toEqual((opened.message!.result as Result)['capabilities'])
})

test('multiplex_resource_subscribe_and_unsubscribe_route_to_target', async () => {
  const { one, two: other, session } = await two()
  for (const method of ['resources/subscribe', 'resources/unsubscribe']) {
    other.on(method, ({ result }) => result({}))
    expect(await resultOf(session, method, { uri: 'two+a:1' })).toEqual({})
    expect(other.requests(method)[0]!.message?.params).toEqual({ uri: 'a:1' })
  }
  expect(asked(one)).not.toContain('resources/subscribe')
})

test.each([
  ['multiplex_resource_updated_notification_is_prefixed', undefined, 'one+a:1'],
  ['single_resource_updated_notification_is_not_prefixed', { separator: false as const }, 'a:1'],
])('%s', async (_name, options, uri) => {
  const one = await member()
  const gateway = await aggregated({ members: { one }, ...(options && { options }) })
  const session = await initialize(gateway.url('desk'))
  const listening = await session.listen()
  const stream = (await one.nextRequest('GET')).stream()
  await stream.send({ method: 'notifications/resources/updated', params: { uri: 'a:1' } })
  expect(await listening.nextMessage()).toMatchObject({ params: { uri } })
  listening.close()
})

test.each(['test_zero_targets_fail_closed', 'test_zero_targets_fail_open'])('%s: an empty list', async () => {
  const gateway = await use(startGateway({ servers: { desk: aggregate({}) } }))
  const session = await initialize(gateway.url('desk'))
  expect(await resultOf(session, 'tools/list')).toEqual({ tools: [] })
})

test.each(['test_setup_partial_success_fail_open', 'test_runtime_fanout_fail_open'])('%s', async () => {
  const gateway = await aggregated({ members: { one: await member(), dead: DEAD } })
  const session = await initialize(gateway.url('desk'))
  expect(namesOf(await resultOf(session, 'tools/list'))).toEqual(['one__echo'])
})

test.each(['test_all_targets_fail_open_still_errors', 'test_runtime_fanout_fail_open_all_fail'])('%s', async () => {
  const gateway = await aggregated({ members: { a: DEAD, b: DEAD } })
  expect((await post(gateway.url('desk'), initializeMessage())).status).toBe(502)
})

test('test_runtime_fanout_fail_open_skips_jsonrpc_error_frames', async () => {
  const { one, session } = await two()
  one.on('tools/list', ({ error }) => error(-32603, 'No'))
  expect(namesOf(await resultOf(session, 'tools/list'))).toEqual(['two__b'])
})

test('test_fanout_deletion_fail_open_skips_failed_upstreams', async () => {
  const { one, two: other, session } = await two()
  one.on('DELETE', ({ status }) => status(500))
  expect((await session.end()).status).toBe(200)
  expect(other.sessions.size).toBe(0)
})

test.each(['test_set_sessions_matches_by_target_name', 'test_set_sessions_rejects_mismatched_target_set'])(
  '%s: a member keeps its session by name and server, and another server opens its own',
  async () => {
    const [one, other, third] = [await member(), await member(), await member()]
    let members: object = { one: { url: one.url }, two: { url: other.url } }
    const gateway = await aggregated({ members: {}, config: { members: () => members } })
    const session = await initialize(gateway.url('desk'))
    members = { two: { url: other.url }, one: { url: third.url } }
    await session.post(call('two__echo'))
    await session.post(call('one__echo'))
    expect(other.requests('initialize')).toHaveLength(1)
    expect(asked(third)).toEqual(['initialize', 'notifications/initialized', 'tools/call'])
    expect(asked(one)).not.toContain('tools/call')
  },
)

test('test_merge_initialize_merges_upstream_instructions_when_multiplexing', async () => {
  const { one, gateway } = await two()
  one.on('initialize', ({ message, result }) => {
    one.sessions.add('s')
    const { protocolVersion } = message!.params!
    result({ protocolVersion, capabilities: {}, serverInfo: {}, instructions: 'Be kind.' }, { 'mcp-session-id': 's' })
  })
  const { message } = await post(gateway.url('desk'), initializeMessage())
  expect(message?.result).toMatchObject({ instructions: '[one]\nBe kind.' })
})

test('test_merge_initialize_forwards_single_backend_without_multiplexing: here under its name, as with others beside it', async () => {
  const one = await member()
  one.on('initialize', ({ message, result }) => {
    one.sessions.add('s')
    const { protocolVersion } = message!.params!
    result(
      { protocolVersion, capabilities: {}, serverInfo: {}, instructions: 'Solo server instructions.' },
      { 'mcp-session-id': 's' },
    )
  })
  const gateway = await aggregated({ members: { one } })
  const { message } = await post(gateway.url('desk'), initializeMessage())
  expect(message?.result).toMatchObject({
    protocolVersion: '2025-11-25',
    serverInfo: { name: 'desk' },
    instructions: '[one]\nSolo server instructions.',
  })
})

test('test_merge_initialize_no_instructions_when_multiplexing', async () => {
  const { session } = await two()
  expect(Object.keys(session.opening.message!.result as Result)).not.toContain('instructions')
})

test('mcp_guardrails_fanout_runs_once_on_merged_muxed_result', async () => {
  const seen: string[][] = []
  const intercept: Interceptor = {
    'tools/list': async (_message, next) => {
      const result = await next()
      seen.push(result.tools.map(({ name }) => name))
      return result
    },
  }
  const members = { one: await member(), two: await member() }
  const gateway = await aggregated({ members, config: { intercept } })
  await resultOf(await initialize(gateway.url('desk')), 'tools/list')
  expect(seen).toEqual([['one__echo', 'two__echo']])
})

test('mrtr_direct_server_request_fails_modern_call_cleanly, and an answer to a question goes to the member that asked', async () => {
  const one = await modernMember()
  one.once('tools/call', ({ result }) =>
    result({
      resultType: 'input_required',
      inputRequests: { who: { method: 'elicitation/create', params: { message: 'Who?' } } },
      requestState: 'opaque ü',
    }),
  )
  const gateway = await aggregated({ members: { one, two: await modernMember() } })
  const url = gateway.url('desk')
  const first = await postModern(url, modernRequest('tools/call', { name: 'one__echo' }))
  expect(first.message?.result).toMatchObject({ resultType: 'input_required', requestState: 'opaque ü' })
  const inputResponses = { who: { action: 'decline' } }
  await postModern(url, modernRequest('tools/call', { name: 'one__echo', inputResponses, requestState: 'opaque ü' }))
  expect(one.requests('tools/call')[1]!.message?.params).toMatchObject({ inputResponses, requestState: 'opaque ü' })
})

test('a listener over several, of which one ends its stream: the client’s goes on', async () => {
  const [one, other] = [await modernMember(), await modernMember()]
  const gateway = await aggregated({ members: { one, two: other } })
  const opening = openModern(
    gateway.url('desk'),
    modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true } }, 'mine'),
  )
  const agree = async (upstream: Upstream) => {
    const exchange = await upstream.nextRequest('subscriptions/listen')
    const stream = exchange.stream()
    const params = { notifications: { toolsListChanged: true }, _meta: { [META.subscriptionId]: 'mine' } }
    await stream.send({ method: 'notifications/subscriptions/acknowledged', params })
    return stream
  }
  const [ended, lasting] = await Promise.all([agree(one), agree(other)])
  const listening = await opening
  await listening.nextMessage()
  ended.finish({ resultType: 'complete' })
  await lasting.send({ method: 'notifications/tools/list_changed', params: {} })
  expect(await listening.nextMessage()).toMatchObject({ method: 'notifications/tools/list_changed' })
  listening.close()
})
