// The states of members in that of their aggregate's session.
import type { ClientSession } from '../../../lib/exchange/exchange.ts'
import { isStateOf, MemberSession, memberState, withMember } from '../../../lib/upstream/aggregate/member-state.ts'
import type { UpstreamState } from '../../../lib/types.ts'

const root: UpstreamState = {
  upstream: 'aggregate',
  protocolVersion: '2025-11-25',
  client: { handshake: { capabilities: {}, clientInfo: { name: 'test' } } },
  members: {},
}
const own: UpstreamState = {
  upstream: 'an-upstream-with-a-long-id',
  protocolVersion: '2025-11-25',
  id: 's1',
  client: { handshake: { capabilities: {}, clientInfo: { name: 'bridge' } }, logLevel: { level: 'debug' } },
}

test('what a member has in common with the aggregate is kept once, and said again', () => {
  const packed = withMember(root, 'one', own)
  expect(packed.members!['one']).toEqual({
    upstream: 'an-upstr',
    id: 's1',
    client: { handshake: { clientInfo: { name: 'bridge' } }, logLevel: { level: 'debug' } },
  })
  expect(memberState(packed, 'one')).toEqual({ ...own, upstream: 'an-upstr' })
  const older = withMember(root, 'one', { ...own, protocolVersion: '2025-03-26' })
  expect(memberState(older, 'one')!.protocolVersion).toBe('2025-03-26')
})

test('a state is one of the upstream that it was opened at, and a missing one is nobody’s', () => {
  expect(isStateOf({ ...own, upstream: 'an-upstr' }, 'an-upstream-with-a-long-id')).toBe(true)
  expect(isStateOf({ ...own, upstream: 'an-upstr' }, 'another')).toBe(false)
  expect(isStateOf({ ...own, upstream: '' }, 'another')).toBe(false)
})

test.each(['toString', 'constructor', '__proto__'])('no member has the state of what every object has: %s', (name) => {
  expect(memberState(root, name)).toBeUndefined()
})

test('a change that changes nothing leaves the aggregate’s state the very same', async () => {
  const before = withMember(root, 'one', own)
  const kept: UpstreamState[] = []
  const session = {
    id: 's',
    keep: async (change: (state: UpstreamState) => UpstreamState) => void kept.push(change(before)),
  } as unknown as ClientSession
  const member = new MemberSession(session, 'one')
  await member.keep((state) => state)
  await member.keep((state) => ({ ...state, id: 's2' }))
  await new MemberSession(session, 'gone').keep((state) => ({ ...state, id: 's2' }))
  expect(kept[0]).toBe(before)
  expect(kept[1]!.members!['one']!.id).toBe('s2')
  expect(kept[2]).toBe(before)
})
