// Interceptors around a bridge for modern clients: a question that a server asks on its stream is an input request there,
// and passes them as one. (governance 24, 29-35)
import { type Interceptor, tools } from '../../../../lib/index.ts'
import {
  ACCEPTED,
  asksInCall,
  callOf,
  elicitation,
  type LegacyServer,
  legacyServer,
  paramsOf,
  request,
  retry,
} from '../../../support/bridged-modern.ts'

let gateway: LegacyServer
afterEach(() => gateway.close())

const guard: Interceptor = {
  'elicitation/create': ({ params }, next) =>
    params.message === 'Who?' ? { action: 'decline' } : next({ ...params, message: `${params.message} (asked)` }),
}

test('24. a question that a layer declines never reaches the client: the server is answered at once', async () => {
  gateway = legacyServer({ intercept: guard })
  asksInCall(gateway)
  const { result, client } = await gateway.ask(callOf())
  expect(result).toMatchObject({ resultType: 'complete', said: { action: 'decline' } })
  expect(client.response.text).not.toContain('Who?')
  expect(gateway.upstream.asked.entries.filter(({ kind }) => kind === 'tools/call')).toHaveLength(1)
})

test('24. of two questions the client is asked the one that passes, in the words of the layer, and the server gets both', async () => {
  gateway = legacyServer({ intercept: guard })
  const answers = new Map<unknown, unknown>()
  gateway.upstream.on('tools/call', (asked) => {
    const stream = asked.events()
    stream.say(elicitation('e1', 'Who?'))
    stream.say(elicitation('e2', 'Where?'))
    gateway.upstream.on('response', (answer) => {
      answer.empty()
      const { id, result } = answer.exchange.message as { id: unknown; result: unknown }
      answers.set(id, result)
      if (answers.size === 2) stream.answer({ content: [] })
    })
  })
  const call = callOf()
  const asked = await gateway.ask(call)
  expect(asked.result).toMatchObject({ resultType: 'input_required' })
  const questions = Object.entries(asked.result['inputRequests'] as Record<string, { params: object }>)
  expect(questions.map(([, { params }]) => params)).toMatchObject([{ message: 'Where? (asked)' }])
  const { result } = await gateway.ask(retry(call, asked, { [questions[0]![0]]: ACCEPTED }))
  expect(result).toMatchObject({ resultType: 'complete', content: [] })
  expect([...answers.values()]).toEqual(expect.arrayContaining([{ action: 'decline' }, ACCEPTED]))
})

test('29. 35. tools() cuts and renames what a server with sessions lists, and refuses calls as of unknown tools', async () => {
  gateway = legacyServer({ intercept: tools({ allow: ({ name }) => name !== 'hidden', rename: { b: 'c' } }) })
  const tool = (name: string) => ({ name, inputSchema: { type: 'object' } })
  gateway.upstream.on('tools/list', (asked) => {
    const isFirst = paramsOf(asked)['cursor'] === undefined
    asked.json(isFirst ? { tools: [tool('a'), tool('hidden')], nextCursor: 'n' } : { tools: [tool('b')] })
  })
  gateway.upstream.on('tools/call', (asked) => asked.json({ content: [] }))
  const names = async (params: object) =>
    ((await gateway.ask(request('tools/list', params))).result['tools'] as { name: string }[]).map(({ name }) => name)
  expect([await names({}), await names({ cursor: 'n' })]).toEqual([['a'], ['c']])
  for (const name of ['hidden', 'b', 'never']) {
    expect(await gateway.ask(callOf(name))).toMatchObject({ code: -32602, message: `Unknown tool: ${name}` })
  }
  expect((await gateway.ask(callOf('c'))).result).toMatchObject({ resultType: 'complete' })
  const called = gateway.upstream.asked.entries.filter(({ kind }) => kind === 'tools/call')
  expect(called.map((asked) => paramsOf(asked)['name'])).toEqual(['b'])
})

test('8. what a layer throws behind next() is the answer, and nothing of the result is', async () => {
  gateway = legacyServer({
    intercept: {
      'tools/call': async (_, next) => {
        await next()
        throw new Error('a secret')
      },
    },
  })
  gateway.upstream.on('tools/call', (asked) => asked.json({ content: ['secret'] }))
  const { code, client } = await gateway.ask(callOf())
  expect([code, client.response.text.includes('secret')]).toEqual([500, false])
})
