import { GatewayError } from '../../../../lib/errors.ts'
import {
  type SessionAccount,
  type SessionGrant,
  WaitingList,
  type Want,
} from '../../../../lib/layers/bridge/modern-client/waiting-list.ts'
import { exchangeOf } from '../../../support/pipeline-exchange.ts'

const account = (): SessionAccount => ({ key: 'a', sessions: [], places: 0, waiting: [], opening: new Map() })
const want = (group = 'g'): Want => ({ exchange: exchangeOf(), group }) as Want
const GRANT = { session: 'one' } as unknown as SessionGrant

test('503 when there has been no session for responseMs, and then the next one is served', async () => {
  let isFree = false
  const list = new WaitingList(10, (_, { group }) => (isFree && group !== 'late' ? GRANT : undefined))
  const own = account()
  const late = list.grantOf(own, want('late'))
  const next = list.grantOf(own, want())
  isFree = true
  await expect(late).rejects.toMatchObject({ code: 'too_many_requests', status: 503 })
  await expect(next).resolves.toBe(GRANT)
  expect(own.waiting).toEqual([])
})

test('nobody overtakes those who wait, and one that is stopped waits no longer', async () => {
  let free = false
  const list = new WaitingList(0, () => (free ? GRANT : undefined))
  const own = account()
  const first = want()
  const waiting = [list.grantOf(own, first), list.grantOf(own, want())]
  free = true
  const third = list.grantOf(own, want())
  expect(own.waiting).toHaveLength(3)
  first.exchange.life.stop(new GatewayError('bad_request', 'gone'))
  await expect(waiting[0]).rejects.toThrow('gone')
  await expect(Promise.all([waiting[1], third])).resolves.toEqual([GRANT, GRANT])
})
