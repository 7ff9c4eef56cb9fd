// The exchanges that go on: which sessions they are in, how they are stopped, and when nothing goes on any more.
import { GatewayError } from '../../lib/errors.ts'
import type { Exchange } from '../../lib/exchange/exchange.ts'
import { Flight, InFlight } from '../../lib/exchange/in-flight.ts'
import { requestOf } from '../../lib/exchange/message.ts'
import { exchangeOf } from '../support/pipeline-exchange.ts'

const closing = new GatewayError('closing', 'The gateway is closing')

/** An exchange in a session, or in none, with the codes it was stopped with. */
function makeExchange(session?: string, method: 'POST' | 'GET' = 'POST') {
  const stops: string[] = []
  const message = method === 'POST' ? requestOf('legacy', 1, 'tools/call') : undefined
  const exchange = exchangeOf({ session, message })
  exchange.life.onStop(({ code }) => void stops.push(code))
  return { exchange, stops }
}

/** Whether a promise is fulfilled by now, without waiting for it. */
async function isFulfilled(promise: Promise<unknown>): Promise<boolean> {
  return Promise.race([promise.then(() => true), new Promise(setImmediate).then(() => false)])
}

describe('the sessions in which anything goes on', () => {
  test('SS11 are each named once, until the last of its exchanges is over', () => {
    const inFlight = new InFlight()
    const post = inFlight.add(makeExchange('a').exchange)
    const get = inFlight.add(makeExchange('a', 'GET').exchange)
    const other = inFlight.add(makeExchange('b').exchange)
    expect([...inFlight.sessions()].toSorted()).toEqual(['a', 'b'])
    inFlight.delete(post)
    expect([...inFlight.sessions()].toSorted()).toEqual(['a', 'b'])
    inFlight.delete(get)
    expect([...inFlight.sessions()]).toEqual(['b'])
    inFlight.delete(other)
    expect(inFlight.sessions().size).toBe(0)
  })

  test('are none for an exchange without a session', () => {
    const inFlight = new InFlight()
    inFlight.add(makeExchange().exchange)
    expect(inFlight.sessions().size).toBe(0)
  })

  test('are given as of now', () => {
    const inFlight = new InFlight()
    const before = inFlight.sessions()
    inFlight.add(makeExchange('a').exchange)
    expect(before.size).toBe(0)
  })
})

describe('stopping', () => {
  test('SS12 reaches those that are meant, with the error given, and no others', () => {
    const inFlight = new InFlight()
    const [meant, alsoMeant, other] = [makeExchange('a'), makeExchange('a', 'GET'), makeExchange('b')]
    const over = makeExchange('a')
    for (const { exchange } of [meant, alsoMeant, other]) inFlight.add(exchange)
    inFlight.delete(inFlight.add(over.exchange))
    inFlight.stop(closing, ({ exchange }) => exchange.origin.session?.id === 'a')
    expect([meant.stops, alsoMeant.stops, other.stops, over.stops]).toEqual([['closing'], ['closing'], [], []])
    expect(meant.exchange.life.stopped).toBe(closing)
  })

  test('SS12 reaches whatever goes on in a session, and nothing that is in another one or in none', () => {
    const inFlight = new InFlight()
    const [post, get, other, none] = [
      makeExchange('a'),
      makeExchange('a', 'GET'),
      makeExchange('b'),
      makeExchange(),
    ] as const
    for (const { exchange } of [post, get, other, none]) inFlight.add(exchange)
    inFlight.stopSession('a', () => closing)
    expect([post.stops, get.stops, other.stops, none.stops]).toEqual([['closing'], ['closing'], [], []])
  })

  test('reaches what goes on without its client, when that is there in its own right', () => {
    const inFlight = new InFlight()
    const { exchange, stops } = makeExchange('a')
    const background = exchange.fork({}, exchange.life.detach())
    inFlight.add(exchange)
    const flight = inFlight.add(background)
    inFlight.stop(closing, ({ life }) => life.isDetached)
    expect([background.life.stopped, stops]).toEqual([closing, []])
    expect([flight.life, flight.exchange]).toEqual([background.life, background])
    inFlight.stopSession('a', () => closing)
    expect(stops).toEqual(['closing'])
  })

  test('ends nothing by itself: a stopped exchange stays in flight until it is over', () => {
    const inFlight = new InFlight()
    const flight = inFlight.add(makeExchange('a').exchange)
    inFlight.stop(closing, () => true)
    expect(inFlight.has(flight)).toBe(true)
    inFlight.delete(flight)
    expect(inFlight.has(flight)).toBe(false)
  })

  test('reaches all of them, also when each is over as soon as it is stopped and another one comes', () => {
    const inFlight = new InFlight()
    const late = makeExchange()
    let lateFlight: Flight | undefined
    const all = Array.from({ length: 10 }, () => makeExchange('a'))
    const stopped: Exchange[] = []
    for (const { exchange } of all) {
      const flight = inFlight.add(exchange)
      exchange.life.onStop(() => {
        stopped.push(exchange)
        inFlight.delete(flight)
        lateFlight ??= inFlight.add(late.exchange)
      })
    }
    inFlight.stop(closing, () => true)
    expect(stopped).toEqual(all.map(({ exchange }) => exchange))
    expect([inFlight.has(lateFlight!), late.stops]).toEqual([true, []])
    expect(inFlight.snapshot()).toEqual([lateFlight])
  })
})

describe('waiting for nothing to go on', () => {
  test('is over at once where nothing does', async () => {
    await expect(new InFlight().idle()).resolves.toBeUndefined()
  })

  test('is over with the last exchange, in whatever order they end', async () => {
    const inFlight = new InFlight()
    const flights = ['a', undefined, 'b'].map((session) => inFlight.add(makeExchange(session).exchange))
    const idle = inFlight.idle()
    for (const index of [1, 0, 2]) {
      expect(await isFulfilled(idle)).toBe(false)
      inFlight.delete(flights[index]!)
    }
    expect(await isFulfilled(idle)).toBe(true)
  })

  test('outlasts exchanges that come while it waits', async () => {
    const inFlight = new InFlight()
    const first = inFlight.add(makeExchange().exchange)
    const idle = inFlight.idle()
    const second = inFlight.add(makeExchange().exchange)
    inFlight.delete(first)
    expect(await isFulfilled(idle)).toBe(false)
    inFlight.delete(second)
    expect(await isFulfilled(idle)).toBe(true)
  })

  test('is no concern of an exchange that was not there', async () => {
    const inFlight = new InFlight()
    inFlight.add(makeExchange().exchange)
    const idle = inFlight.idle()
    inFlight.delete(new Flight(makeExchange().exchange))
    expect(await isFulfilled(idle)).toBe(false)
  })
})
