// What is stored of servers' tool lists for interceptors that look up a tool.
import { heldBytes, MiB } from '../../faults/support-bounds.ts'
import { cleanUp, layer, world } from './setup.ts'

afterEach(cleanUp)

test('SC6 the lists of many principals hold no more than they may in all', async () => {
  const looksUp = layer({ 'tools/call': async (message, next) => ((await message.tool()) ? next() : {}) })
  const { upstream, modern } = await world({
    upstream: { sessions: false },
    intercept: [looksUp],
    authenticate: (request) => ({ id: String(request.headers.authorization) }),
  })
  const inputSchema = { type: 'object' }
  const tool = (at: number): object => ({ name: `tool${at}`, description: `${at}`.padEnd(30_000, 'x'), inputSchema })
  upstream.on('tools/list', (exchange) => {
    exchange.result({ resultType: 'complete', tools: Array.from({ length: 100 }, (_, at) => tool(at)) })
  })
  const use = (name: string) => modern('tools/call', { name: 'tool1', arguments: {} }, { authorization: name })
  expect(await use('first')).toMatchObject({ status: 200 })
  const before = await heldBytes()
  for (let user = 0; user < 20; user += 1) await use(`user ${user}`)
  expect(upstream.requests('tools/list')).toHaveLength(21)
  // The requests that the server of this test remembers are short; twenty lists would be 60 MiB.
  expect((await heldBytes(before + 40 * MiB)) - before).toBeLessThan(40 * MiB)
})
