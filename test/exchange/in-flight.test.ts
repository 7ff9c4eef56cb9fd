// The exchanges that go on: which sessions they are in, how they are stopped, and when nothing goes on any more.
import { GatewayError } from '../../lib/errors.ts'
import { Exchange } from '../../lib/exchange/exchange.ts'
import { Running } from '../../lib/exchange/in-flight.ts'

const closing = new GatewayError('closing', 'The gateway is closing')

/** An exchange in a session, or in none, with the codes it was stopped with. */
function makeExchange(id?: string, method: 'POST' | 'GET' = 'POST') {
  const stops: string[] = []
  const exchange = new Exchange({
    server: 'weather',
    config: { url: 'http://127.0.0.1' },
    principal: undefined,
    request: undefined,
    method,
    session: id === undefined ? undefined : { id, record: { server: 'weather', principal: '', protocolVersion: '' } },
    message: undefined,
    headers: {},
    body: undefined,
  })
  exchange.onStop = ({ code }) => void stops.push(code)
  return { exchange, stops }
}

/** Whether a promise is fulfilled by now, without waiting for it. */
async function isFulfilled(promise: Promise<unknown>): Promise<boolean> {
  return Promise.race([promise.then(() => true), new Promise(setImmediate).then(() => false)])
}

describe('the sessions in which anything goes on', () => {
  test('SS11 are each named once, until the last of its exchanges is over', () => {
    const running = new Running()
    const [post, get] = [makeExchange('a'), makeExchange('a', 'GET')]
    const other = makeExchange('b')
    for (const { exchange } of [post, get, other]) running.add(exchange)
    expect([...running.sessions()].toSorted()).toEqual(['a', 'b'])
    running.delete(post.exchange)
    expect([...running.sessions()].toSorted()).toEqual(['a', 'b'])
    running.delete(get.exchange)
    expect([...running.sessions()]).toEqual(['b'])
    running.delete(other.exchange)
    expect(running.sessions().size).toBe(0)
  })

  test('are none for an exchange without a session', () => {
    const running = new Running()
    running.add(makeExchange().exchange)
    expect(running.sessions().size).toBe(0)
  })

  test('are given as of now', () => {
    const running = new Running()
    const before = running.sessions()
    running.add(makeExchange('a').exchange)
    expect(before.size).toBe(0)
  })
})

describe('stopping', () => {
  test('SS12 reaches those that are meant, with the error given, and no others', () => {
    const running = new Running()
    const [meant, alsoMeant, other] = [makeExchange('a'), makeExchange('a', 'GET'), makeExchange('b')]
    const over = makeExchange('a')
    for (const { exchange } of [meant, alsoMeant, other, over]) running.add(exchange)
    running.delete(over.exchange)
    running.stop(closing, ({ session }) => session?.id === 'a')
    expect([meant.stops, alsoMeant.stops, other.stops, over.stops]).toEqual([['closing'], ['closing'], [], []])
    expect(meant.exchange.stopped).toBe(closing)
  })

  test('ends nothing by itself: who is stopped goes on until it is over', () => {
    const running = new Running()
    const { exchange } = makeExchange('a')
    running.add(exchange)
    running.stop(closing, () => true)
    expect(running.has(exchange)).toBe(true)
    running.delete(exchange)
    expect(running.has(exchange)).toBe(false)
  })

  test('reaches all of them, also when each is over as soon as it is stopped and another one comes', () => {
    const running = new Running()
    const late = makeExchange()
    const all = Array.from({ length: 10 }, () => makeExchange('a'))
    const stopped: Exchange[] = []
    for (const { exchange } of all) {
      running.add(exchange)
      exchange.onStop = () => {
        stopped.push(exchange)
        running.delete(exchange)
        if (!running.has(late.exchange)) running.add(late.exchange)
      }
    }
    running.stop(closing, () => true)
    expect(stopped).toEqual(all.map(({ exchange }) => exchange))
    expect([running.has(late.exchange), late.stops]).toEqual([true, []])
  })
})

describe('waiting for nothing to go on', () => {
  test('is over at once where nothing does', async () => {
    await expect(new Running().idle()).resolves.toBeUndefined()
  })

  test('is over with the last exchange, in whatever order they end', async () => {
    const running = new Running()
    const exchanges = [makeExchange('a'), makeExchange(), makeExchange('b')].map(({ exchange }) => exchange)
    for (const exchange of exchanges) running.add(exchange)
    const idle = running.idle()
    for (const index of [1, 0, 2]) {
      expect(await isFulfilled(idle)).toBe(false)
      running.delete(exchanges[index]!)
    }
    expect(await isFulfilled(idle)).toBe(true)
  })

  test('outlasts exchanges that come while it waits', async () => {
    const running = new Running()
    const [first, second] = [makeExchange(), makeExchange()]
    running.add(first.exchange)
    const idle = running.idle()
    running.add(second.exchange)
    running.delete(first.exchange)
    expect(await isFulfilled(idle)).toBe(false)
    running.delete(second.exchange)
    expect(await isFulfilled(idle)).toBe(true)
  })

  test('is no concern of an exchange that was not there', async () => {
    const running = new Running()
    running.add(makeExchange().exchange)
    const idle = running.idle()
    running.delete(makeExchange().exchange)
    expect(await isFulfilled(idle)).toBe(false)
  })
})
