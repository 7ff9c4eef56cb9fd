// Members that do not answer: how long they are waited for, how often they are reported, and what is kept of them.
import { GatewayError } from '../../../lib/errors.ts'
import type { Exchange } from '../../../lib/exchange/exchange.ts'
import { Absences } from '../../../lib/upstream/aggregate/absences.ts'
import type { AggregateParts } from '../../../lib/upstream/aggregate/aggregate-parts.ts'
import type { Member } from '../../../lib/upstream/aggregate/members.ts'
import { heldBytes, MiB } from '../../faults/support-bounds.ts'

const { jest } = import.meta

const config = { url: 'http://memory.test/mcp' }
const memberOf = (name: string): Member => ({ name, server: `desk/${name}`, config })
const one = memberOf('one')
const origin = { bind: <T>(fn: T): T => fn, principal: undefined, request: undefined }
const exchange = { origin } as unknown as Exchange
const late = new GatewayError('upstream_timeout', 'Late')
const refused = new GatewayError('upstream_refused', 'No')

function absencesOf() {
  const report = jest.fn<void, [GatewayError, object]>()
  const upstreamOf = (server: string) => ({ id: server })
  return { report, absences: new Absences({ upstreamOf, report } as unknown as AggregateParts) }
}

/** The clock, so many milliseconds later. */
function advance(ms: number): void {
  const now = performance.now()
  jest.spyOn(performance, 'now').mockImplementation(() => now + ms)
}

afterEach(() => void jest.restoreAllMocks())

test('a member that was late is waited for less, for a while; one that refused is not', () => {
  const { absences } = absencesOf()
  const other = memberOf('other')
  const whole = absences.patienceMs(one)
  absences.note(one, late, exchange)
  absences.note(other, refused, exchange)
  expect(absences.patienceMs(one)).toBeLessThan(whole)
  expect(absences.patienceMs(other)).toBe(whole)
  absences.answered(one, undefined)
  expect(absences.patienceMs(one)).toBe(whole)
  absences.note(one, late, exchange)
  advance(31_000)
  expect(absences.patienceMs(one)).toBe(whole)
})

test('a member is reported once a minute, by its own name and for its own reason', () => {
  const { absences, report } = absencesOf()
  for (const error of [refused, late, new Error('x')]) absences.note(one, error, exchange)
  expect(report.mock.calls).toEqual([
    [expect.objectContaining({ code: 'upstream_refused', cause: refused }), { server: 'desk/one' }],
  ])
  advance(61_000)
  absences.note(one, new Error('x'), exchange)
  expect(report).toHaveBeenCalledTimes(2)
})

describe('those who wait', () => {
  beforeEach(() => void jest.useFakeTimers())
  afterEach(() => void jest.useRealTimers())

  test('one asks at a time, again until it succeeds, and then all turn to the member once', async () => {
    const { absences } = absencesOf()
    let isThere = false
    const asked: string[] = []
    const wait = (who: string) =>
      absences.waitFor(one, async () => {
        asked.push(who)
        return isThere
      })
    for (const who of ['a', 'b', 'c']) wait(who)
    await jest.advanceTimersByTimeAsync(1_000)
    expect(asked).toEqual(['a'])
    await jest.advanceTimersByTimeAsync(1_000)
    expect(asked).toEqual(['a', 'b'])
    isThere = true
    await jest.advanceTimersByTimeAsync(1_000)
    expect(asked.slice(2).toSorted()).toEqual(['a', 'b', 'c'])
    await jest.advanceTimersByTimeAsync(10_000)
    expect(asked).toHaveLength(5)
  })

  test('who gives up is not asked, and a member that answers somebody is asked at once', async () => {
    const { absences } = absencesOf()
    const asked: string[] = []
    const giveUp = absences.waitFor(one, async () => asked.push('a') > 0)
    absences.waitFor(one, async () => asked.push('b') > 0)
    giveUp()
    absences.note(one, refused, exchange)
    absences.answered(one, undefined)
    await jest.advanceTimersByTimeAsync(0)
    expect(asked).toEqual(['b'])
    await jest.advanceTimersByTimeAsync(5_000)
    expect(asked).toEqual(['b'])
  })

  test('one who gives up while the others are asked is passed over', async () => {
    const { absences } = absencesOf()
    const asked: string[] = []
    let answer!: (isThere: boolean) => void
    absences.waitFor(one, () => new Promise((resolve) => (answer = resolve)))
    const giveUp = absences.waitFor(one, async () => asked.push('b') > 0)
    await jest.advanceTimersByTimeAsync(1_000)
    giveUp()
    answer(true)
    await jest.advanceTimersByTimeAsync(5_000)
    expect(asked).toEqual([])
  })

  test('a member that answers somebody while it is asked in vain is asked again at once', async () => {
    const { absences } = absencesOf()
    const answers: ((isThere: boolean) => void)[] = []
    absences.waitFor(one, () => new Promise((resolve) => answers.push(resolve)))
    await jest.advanceTimersByTimeAsync(1_000)
    absences.note(one, refused, exchange)
    absences.answered(one, undefined)
    answers[0]!(false)
    await jest.advanceTimersByTimeAsync(0)
    expect(answers).toHaveLength(2)
  })

  test('an attempt that throws has failed, and the next is made', async () => {
    const { absences } = absencesOf()
    let attempts = 0
    absences.waitFor(one, async () => {
      attempts += 1
      if (attempts < 3) throw new Error('x')
      return true
    })
    await jest.advanceTimersByTimeAsync(10_000)
    expect(attempts).toBe(3)
  })

  test('at the end nobody is asked any more', async () => {
    const { absences } = absencesOf()
    const attempt = jest.fn(async () => false)
    absences.waitFor(one, attempt)
    absences.close()
    await jest.advanceTimersByTimeAsync(10_000)
    expect(attempt).not.toHaveBeenCalled()
  })
})

test('SC6 members that come and go leave nothing behind: neither absences, nor reports, nor who waited', async () => {
  const upstreamOf = (server: string) => ({ id: server })
  const absences = new Absences({ upstreamOf, report: () => {} } as unknown as AggregateParts)
  const comeAndGo = (count: number): void => {
    for (let index = 0; index < count; index += 1) {
      const member = memberOf(`${'m'.repeat(200)}${index}`)
      absences.note(member, late, exchange)
      absences.waitFor(member, async () => false)()
    }
  }
  comeAndGo(2_000)
  const before = await heldBytes()
  comeAndGo(20_000)
  expect((await heldBytes(before + MiB)) - before).toBeLessThan(MiB)
})
