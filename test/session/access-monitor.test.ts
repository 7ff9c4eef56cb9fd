// What goes on for long is looked at again: when, how many at a time, and what an answer means. Streams themselves are
// in streams/access.test.ts.
import type { Exchange } from '../../lib/exchange/exchange.ts'
import { InFlight } from '../../lib/exchange/in-flight.ts'
import { type Message, requestOf } from '../../lib/exchange/message.ts'
import type { Reply } from '../../lib/exchange/reply.ts'
import { GatewayError, type Principal, type ServerLookup, type SessionStore } from '../../lib/index.ts'
import { CancelOnStop } from '../../lib/layers/cancel-on-stop.ts'
import { AccessMonitor } from '../../lib/session/access-monitor.ts'
import { Sessions } from '../../lib/session/sessions.ts'
import { UpstreamSessions } from '../../lib/session/upstream-session.ts'
import type { GatewayRequest } from '../../lib/types.ts'
import { exchangeOf, RECORD } from '../support/pipeline-exchange.ts'

const { jest } = import.meta
const MINUTE = 60_000
const config = { url: 'http://127.0.0.1/' }
const request = {} as GatewayRequest

interface Begun {
  readonly exchange: Exchange
  /** The errors it was stopped with, and when. */
  readonly stops: [code: string, at: number][]
  end(): void
}

interface Made {
  readonly monitor: AccessMonitor
  readonly inFlight: InFlight
  readonly errors: string[]
  /** What upstreams were told: the method of a message, or DELETE. */
  readonly told: string[]
  begin(parts?: { principal?: Principal; session?: string; message?: Message; isDetached?: boolean }): Begun
}

const made: AccessMonitor[] = []

beforeEach(() => {
  jest.useFakeTimers({ now: 0 })
})
afterEach(() => {
  for (const monitor of made.splice(0)) monitor.close()
  jest.clearAllTimers()
  jest.useRealTimers()
})

function make(lookup: ServerLookup = () => config, store?: Partial<SessionStore>, recheckMs = MINUTE): Made {
  const inFlight = new InFlight()
  const errors: string[] = []
  const told: string[] = []
  const report = (error: unknown): void => void errors.push(String(error))
  /** An upstream that answers no call, and takes whatever else it is told. */
  const handle = async ({ verb, message }: Exchange): Promise<Reply> => {
    if (message?.kind === 'request' || verb === 'GET') return new Promise(() => {})
    told.push(message?.kind === 'notification' ? message.method : verb)
    throw new GatewayError('upstream_refused', 'Not allowed', { status: 405 })
  }
  const upstreamSessions = new UpstreamSessions(() => handle, report)
  const upstream = { id: 'digest', label: '', quits: 'abort' as const, send: handle, close: async () => {} }
  const cancel = new CancelOnStop({ upstreamOf: () => upstream, track: async () => {}, report: () => {} })
  const whole = { create: () => 'id', get: () => RECORD, delete: () => {}, ...store }
  const sessions = new Sessions(whole, inFlight, () => {})
  const monitor = new AccessMonitor({ inFlight, sessions, upstreamSessions, lookup, report, recheckMs })
  made.push(monitor)
  return {
    monitor,
    inFlight,
    errors,
    told,
    begin({ isDetached = false, ...parts } = {}) {
      const begun = exchangeOf({ request, ...parts })
      const exchange = isDetached ? begun.fork({}, begun.life.detach()) : begun
      const stops: Begun['stops'] = []
      const flight = inFlight.add(exchange)
      const end = (): void => inFlight.delete(flight)
      exchange.life.onStop(({ code }) => {
        stops.push([code, Date.now()])
        end()
      })
      cancel.handle(exchange, handle).catch(() => {})
      monitor.watch(exchange)
      return { exchange, stops, end }
    },
  }
}

const call: Message = requestOf('legacy', 1, 'tools/call', {})
const until = (ms: number): Principal => ({ id: 'ann', expiresAt: ms / 1_000 })

describe('the timer', () => {
  test('is there only while anything goes on, and keeps no process alive', () => {
    jest.useRealTimers()
    const timeouts = (): number => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length
    const before = timeouts()
    make().begin({ principal: until(Date.now() + MINUTE) })
    expect(timeouts()).toBe(before)
    jest.useFakeTimers({ now: 0 })
    const { begin, monitor } = make()
    expect(jest.getTimerCount()).toBe(0)
    const begun = begin()
    expect(jest.getTimerCount()).toBe(1)
    jest.advanceTimersByTime(10 * MINUTE)
    expect(jest.getTimerCount()).toBe(1)
    begun.end()
    jest.advanceTimersByTime(MINUTE)
    expect(jest.getTimerCount()).toBe(0)
    begin()
    expect(jest.getTimerCount()).toBe(1)
    monitor.close()
    begin({ principal: until(5_000) })
    expect(jest.getTimerCount()).toBe(0)
  })

  test('is set once for a thousand short exchanges, and asks nobody about them', () => {
    const lookup = jest.fn(() => config)
    const { begin } = make(lookup)
    const setTimer = jest.spyOn(globalThis, 'setTimeout')
    for (let count = 0; count < 1_000; count += 1) {
      begin({ principal: until(60 * MINUTE), session: 'a', message: call }).end()
      jest.advanceTimersByTime(10)
    }
    jest.advanceTimersByTime(10 * MINUTE)
    expect(setTimer).toHaveBeenCalledTimes(1)
    expect(lookup).not.toHaveBeenCalled()
    setTimer.mockRestore()
  })
})

describe('the end of a proof of identity', () => {
  test('AU11 ends each exchange at its own moment, whichever began first, and no other', () => {
    const { begin } = make()
    const late = begin({ principal: until(90_000) })
    const early = begin({ principal: until(2_500) })
    const between = begin({ principal: until(30_000.5) })
    const [endless, nobody] = [begin({ principal: { id: 'ann' } }), begin()]
    jest.advanceTimersByTime(10 * MINUTE)
    expect([early.stops, between.stops, late.stops]).toEqual([
      [['unauthorized', 2_500]],
      [['unauthorized', 30_001]],
      [['unauthorized', 90_000]],
    ])
    expect([endless.stops, nobody.stops]).toEqual([[], []])
  })

  test('AU11 that has passed meanwhile ends it at once', () => {
    const { begin } = make()
    jest.advanceTimersByTime(1_000)
    const { stops } = begin({ principal: until(500) })
    jest.advanceTimersByTime(1)
    expect(stops).toEqual([['unauthorized', 1_000]])
  })

  test('beyond what a timer takes is kept all the same', () => {
    const day = 24 * 60 * MINUTE
    const { begin } = make(undefined, undefined, 100 * day)
    const { stops } = begin({ principal: until(40 * day) })
    jest.advanceTimersByTime(41 * day)
    expect(stops).toEqual([['unauthorized', 40 * day]])
  })

  test('AU11 does not end what goes on without its client: a log keeps that for whoever comes back', () => {
    const { begin } = make()
    const [background, foreground] = [
      begin({ principal: until(2_500), isDetached: true }),
      begin({ principal: until(2_500) }),
    ]
    jest.advanceTimersByTime(10 * MINUTE)
    expect([background.stops, foreground.stops]).toEqual([[], [['unauthorized', 2_500]]])
  })

  test('LC8 has the upstream told of the call that nobody waits for, once', async () => {
    const { begin, told } = make()
    begin({ principal: until(1_000), session: 'a', message: call })
    begin({ principal: until(1_000), session: 'a' })
    await jest.advanceTimersByTimeAsync(10 * MINUTE)
    expect(told).toEqual(['notifications/cancelled'])
  })
})

describe('the lookup', () => {
  test('is asked every recheckMs with what the exchange began with; undefined ends it', async () => {
    const lookup = jest.fn((name: string, { principal }: { principal: Principal | undefined }) =>
      principal?.id === 'eve' && Date.now() > 2.5 * MINUTE ? undefined : { ...config, title: name },
    )
    const { begin, told } = make(lookup)
    const [ann, eve] = [
      begin({ principal: { id: 'ann' } }),
      begin({ principal: { id: 'eve' }, session: 'e', message: call }),
    ]
    await jest.advanceTimersByTimeAsync(4.5 * MINUTE)
    expect(ann.stops).toEqual([])
    expect(eve.stops).toEqual([['not_found', 3 * MINUTE]])
    expect(lookup).toHaveBeenCalledTimes(4 + 3)
    expect(lookup).toHaveBeenCalledWith('weather', { principal: { id: 'ann' }, request })
    expect(told).toEqual(['notifications/cancelled'])
  })

  test('that fails is reported, and takes nothing away', async () => {
    const answers = [
      () => Promise.reject(new Error('database is down')),
      () => {
        throw new Error('database is odd')
      },
      () => Promise.reject(new GatewayError('unavailable', 'Later')),
    ]
    const { begin, errors } = make(() => answers.shift()?.() ?? config)
    const { stops } = begin()
    await jest.advanceTimersByTimeAsync(5 * MINUTE)
    expect(errors).toEqual(['Error: database is down', 'Error: database is odd', 'GatewayError: Later'])
    expect(stops).toEqual([])
  })

  test('that chooses its refusal has it given as it is', async () => {
    const { begin, errors } = make(() => {
      throw new GatewayError('forbidden', 'Your account has no access')
    })
    const { exchange } = begin()
    await jest.advanceTimersByTimeAsync(MINUTE)
    expect(exchange.life.stopped).toMatchObject({ code: 'forbidden', message: 'Your account has no access' })
    expect(errors).toEqual([])
  })

  test('is waited for with eight exchanges at a time, and no round begins before the last has ended', async () => {
    let [asked, waiting, most] = [0, 0, 0]
    const { begin } = make(async () => {
      asked += 1
      most = Math.max(most, (waiting += 1))
      await new Promise((resolve) => void setTimeout(resolve, 9_000))
      waiting -= 1
      return config
    })
    for (let count = 0; count < 100; count += 1) begin()
    // 100 at 8 a time, 9 s each: 117 s, across the next round.
    await jest.advanceTimersByTimeAsync(MINUTE + 117_000)
    expect([asked, most]).toEqual([100, 8])
    await jest.advanceTimersByTimeAsync(MINUTE)
    expect(asked).toBeGreaterThan(100)
    expect(most).toBe(8)
  })

  test('that never answers is reported after ten seconds, and keeps nobody else from being asked about', async () => {
    const { begin, errors } = make((_, { principal }) =>
      principal?.id === 'stuck' ? new Promise(() => {}) : undefined,
    )
    const stuck = Array.from({ length: 8 }, () => begin({ principal: { id: 'stuck' } }))
    const { stops } = begin()
    await jest.advanceTimersByTimeAsync(MINUTE + 10_000)
    expect(stops).toEqual([['not_found', MINUTE + 10_000]])
    expect(errors).toEqual(stuck.map(() => 'Error: The lookup of servers did not answer'))
    expect(stuck.flatMap((each) => each.stops)).toEqual([])
  })

  test('is not asked about what has ended meanwhile, nor once the gateway has closed', async () => {
    const asked: unknown[] = []
    let answer: () => void = () => {}
    const { begin, monitor, errors } = make((_, { principal }) => {
      asked.push(principal?.id)
      return new Promise((_resolve, reject) => {
        answer = () => reject(new Error('closed'))
      })
    })
    const all = Array.from({ length: 10 }, (_, index) => begin({ principal: { id: String(index) } }))
    await jest.advanceTimersByTimeAsync(MINUTE)
    all[8]!.end()
    expect(asked).toEqual(['0', '1', '2', '3', '4', '5', '6', '7'])
    answer()
    await jest.advanceTimersByTimeAsync(0)
    expect(asked.slice(8)).toEqual(['9'])
    expect(errors).toEqual(['Error: closed'])
    monitor.close()
    answer()
    await jest.advanceTimersByTimeAsync(0)
    expect(errors).toHaveLength(1)
  })
})

describe('a store that cannot be asked in', () => {
  test('SS11 hears every recheckMs of the sessions in which anything goes on, once of each', async () => {
    const get = jest.fn(() => RECORD)
    const { begin } = make(undefined, { get })
    const all = [begin({ session: 'a' }), begin({ session: 'a' }), begin({ session: 'b' }), begin()]
    await jest.advanceTimersByTimeAsync(3 * MINUTE)
    expect(get.mock.calls).toEqual(Array.from({ length: 3 }, () => [['a'], ['b']]).flat())
    for (const { end } of all) end()
    await jest.advanceTimersByTimeAsync(3 * MINUTE)
    expect(get).toHaveBeenCalledTimes(6)
  })

  test('SS3 SS11 and has no such session any more: what goes on in it ends, and the upstream is told', async () => {
    const { begin, told } = make(undefined, { get: async (id) => (id === 'gone' ? undefined : RECORD) })
    const [one, two, other] = [
      begin({ session: 'gone' }),
      begin({ session: 'gone', message: call }),
      begin({ session: 'b' }),
    ]
    await jest.advanceTimersByTimeAsync(MINUTE)
    const stop = [['session_not_found', MINUTE]]
    expect([one.stops, two.stops, other.stops]).toEqual([stop, stop, []])
    expect(told).toEqual(['DELETE'])
  })

  test.each([
    ['rejects', () => Promise.reject(new Error('lost'))],
    [
      'throws',
      () => {
        throw new Error('lost')
      },
    ],
    ['never answers', () => new Promise<never>(() => {})],
  ])('that %s is reported, and nothing ends', async (how, get) => {
    const { begin, errors } = make(undefined, { get })
    const { stops } = begin({ session: 'a' })
    await jest.advanceTimersByTimeAsync(MINUTE + 10_000)
    expect(errors).toEqual([
      how === 'never answers'
        ? 'Error: The session store did not answer'
        : 'GatewayError: The session store is unavailable',
    ])
    expect(stops).toEqual([])
  })

  test('is the only one that is asked: one that ends sessions by itself tells of it', async () => {
    const get = jest.fn(() => RECORD)
    const { begin } = make(undefined, { get, attach: () => {} })
    begin({ session: 'a' })
    await jest.advanceTimersByTimeAsync(3 * MINUTE)
    expect(get).not.toHaveBeenCalled()
  })
})
