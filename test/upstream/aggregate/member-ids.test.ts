import {
  eventIdToClient,
  eventIdToMember,
  questionIdToClient,
  questionIdToMember,
  sharedEventId,
  sharedEventIds,
} from '../../../lib/upstream/aggregate/member-ids.ts'

test.each([
  ['1', 1],
  ['"1"', '1'],
  ['0', 0],
  ['"a~b"', 'a~b'],
  ['-7', -7],
])('RPC3 a question with the id %s is answered with that very id', (text, id) => {
  const advertised = questionIdToClient('crm', text)
  expect(advertised).toBe(`crm~${text}`)
  expect(questionIdToMember(advertised)).toEqual({ member: 'crm', id, text })
})

test.each([1, '1', 'crm~', 'crm~x', 'crm~{}', 'crm~null', '~1', null, undefined, {}])(
  '%j is the id of no question',
  (id) => {
    expect(questionIdToMember(id)).toBeUndefined()
  },
)

test('SE6 event ids of two members are two, also where members count alike', () => {
  expect(eventIdToClient('a', '5')).not.toBe(eventIdToClient('b', '5'))
  expect(eventIdToMember(eventIdToClient('a', 'x~5'))).toEqual({ member: 'a', id: 'x~5' })
  expect(eventIdToMember('5')).toBeUndefined()
  expect(eventIdToMember('~5')).toBeUndefined()
})

test('the id of an event of all members names the last of each', () => {
  const ids = new Map([
    ['a', '5'],
    ['b', 'ä~"'],
  ])
  const id = sharedEventId(ids)
  expect(id).toMatch(/^~[\w-]+$/)
  expect(sharedEventIds(id)).toEqual(ids)
})

test.each(['', 'a~5', '~', '~x', `~${Buffer.from('[[1,2]]').toString('base64url')}`])('%j is none of all', (id) => {
  expect(sharedEventIds(id)).toBeUndefined()
})
