import { aggregate, mcpGateway, type Members, SealedSessionStore } from '../../../lib/index.ts'

const url = 'http://127.0.0.1:9/mcp'
const server = { url }

const gatewayOf = (members: unknown, options: object = {}) =>
  mcpGateway({ authenticate: false, servers: { desk: aggregate(members as Members, options) } })

test('members are servers of any kind', async () => {
  await gatewayOf({ http: server, old: { type: 'sse', url }, pipe: { pipe: () => {} } }).close()
  await gatewayOf(() => ({})).close()
})

test.each([
  ['an array', [server], /"members" must be a record \{ name: \{ url \} \}, or a function/],
  ['a Map', new Map(), /"members" must be a record/],
  ['nothing', undefined, /"members" must be a record/],
  [
    'an aggregate',
    { inner: aggregate({ a: server }) },
    /member "inner" is an aggregate, which has no place in another/,
  ],
  ['a server that is none', { a: { uri: url } }, /Server "(aggregate|desk)\/a": "uri" is not a key/],
  [
    'the gateway itself',
    { a: mcpGateway({ authenticate: false, servers: {} }) },
    /a server's config must be an object/,
  ],
  ['an underscore', { my_server: server }, /a member's name is up to 32 letters, digits and "-", first a letter/],
  ['a first digit', { '1a': server }, /a member's name/],
  ['a long name', { ['a'.repeat(33)]: server }, /a member's name/],
  ['names that differ by case', { crm: server, CRM: server }, /"crm" and "CRM" differ by upper case alone/],
])('TypeError for %s', (_what, members, message) => {
  expect(() => gatewayOf(members)).toThrow(TypeError)
  expect(() => gatewayOf(members)).toThrow(message)
})

test.each([
  [{ separator: '' }, /"separator" must be/],
  [{ separator: '~' }, /"separator" must be/],
  [{ separator: 'x'.repeat(9) }, /"separator" must be/],
  [{ separator: true }, /"separator" must be/],
  [{ show: 'crm' }, /"show" must be a function/],
  [{ prefix: '_' }, /"aggregate.prefix" is not an option/],
])('TypeError for the options %j', (options, message) => {
  expect(() => gatewayOf({ crm: server }, options)).toThrow(message)
})

test('TypeError where a name and the separator begin another name', () => {
  expect(() => gatewayOf({ a: server, 'a-b': server }, { separator: '-' })).toThrow(/"a" and "a-b" begin alike/)
  expect(() => gatewayOf({ a: server, 'a-b': server })).not.toThrow()
})

test('TypeError for more members than a sealed session has room for', () => {
  const many = Object.fromEntries(Array.from({ length: 25 }, (_, index) => [`m${index}`, server]))
  const servers = { desk: aggregate(many) }
  const sessions = new SealedSessionStore({ keys: ['a secret of 32 characters or more, the same on each node'] })
  expect(() => mcpGateway({ authenticate: false, servers, sessions })).toThrow(/at most 24 members/)
  expect(() => mcpGateway({ authenticate: false, servers })).not.toThrow()
})

test('TypeError for the scopes of a member that nobody can have, and for an interceptor that is none', () => {
  expect(() => gatewayOf({ a: { url, scopes: { tools: { x: ['y'] } } } })).toThrow(/"desk\/a": "scopes" lets nobody in/)
  expect(() => gatewayOf({ a: { url, intercept: 7 } })).toThrow(/Server "desk\/a": "intercept"/)
})

test('TypeError for a key that an aggregate has not', () => {
  const servers = { desk: { ...aggregate({ a: server }), headers: {} } }
  expect(() => mcpGateway({ authenticate: false, servers })).toThrow(/"headers" is not a key of an aggregate's config/)
})
