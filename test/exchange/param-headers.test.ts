// Which arguments a tool's schema wants in `Mcp-Param-*`, and which calls have them there.
import { paramHeaderFault, paramHeadersOf } from '../../lib/exchange/param-headers.ts'

const annotated = (type: unknown, name: unknown = 'Region'): object => ({ type, 'x-mcp-header': name })
const schemaOf = (properties: object): object => ({ type: 'object', properties })
const REGION = paramHeadersOf(schemaOf({ region: annotated('string') }))
const COUNT = paramHeadersOf(schemaOf({ count: annotated('integer', 'Count') }))

describe('HD13 the annotations of a schema', () => {
  test('are found at any depth of properties', () => {
    const inner = schemaOf({ city: annotated('string', 'City') })
    expect(paramHeadersOf(schemaOf({ region: annotated('boolean'), plain: { type: 'string' }, at: inner }))).toEqual([
      { header: 'mcp-param-region', path: ['region'] },
      { header: 'mcp-param-city', path: ['at', 'city'] },
    ])
  })

  test.each([
    ['a name that is no token', { region: annotated('string', 'Re gion') }],
    ['a name that is empty', { region: annotated('string', '') }],
    ['a name that is no text', { region: annotated('string', 1) }],
    ['a type that is not primitive', { region: annotated('object') }],
    ['a number, which may be a fraction', { region: annotated('number') }],
    ['no type', { region: annotated(undefined) }],
    ['one name twice', { region: annotated('string'), other: annotated('string', 'REGION') }],
  ])('%s makes a tool that no client calls: nothing is compared', (_what, properties) => {
    expect(paramHeadersOf(schemaOf({ fine: annotated('string', 'Fine'), ...properties }))).toEqual([])
  })

  test.each([undefined, null, 1, 'text', [], {}, { properties: null }, { properties: [] }])('%j has none', (schema) => {
    expect(paramHeadersOf(schema)).toEqual([])
  })

  test('a schema as deep as a message can be is no overflow', () => {
    let schema: object = { 'x-mcp-header': 'Deep', type: 'string' }
    for (let depth = 0; depth < 50_000; depth += 1) schema = schemaOf({ a: schema })
    expect(paramHeadersOf(schema)).toEqual([])
  })

  test('a tool has a hundred at most', () => {
    const many = (count: number): object =>
      schemaOf(Object.fromEntries(Array.from({ length: count }, (_, at) => [`p${at}`, annotated('string', `P${at}`)])))
    expect([paramHeadersOf(many(100)).length, paramHeadersOf(many(101)).length]).toEqual([100, 0])
  })
})

describe('HD13 a call', () => {
  test.each([
    [{ region: 'eu' }, { 'mcp-param-region': 'eu' }],
    [{ region: 'Zürich' }, { 'mcp-param-region': `=?base64?${Buffer.from('Zürich').toString('base64')}?=` }],
    [{ region: null }, {}],
    [{}, {}],
    [undefined, {}],
    [{ region: { no: 'text' } }, {}],
    [{}, { 'mcp-param-region': 'eu' }],
  ])('with %j and %j is as it must be', (toolArguments, headers) => {
    expect(paramHeaderFault(REGION, toolArguments, headers as Record<string, string>)).toBeUndefined()
  })

  test.each([
    ['missing', {}],
    ['not what the arguments say', { 'mcp-param-region': 'us' }],
    ['not what the arguments say', { 'mcp-param-region': '' }],
    ['no valid Base64', { 'mcp-param-region': '=?base64?eu?=' }],
  ])('HD10 whose header is %s has a fault', (what, headers) => {
    expect(paramHeaderFault(REGION, { region: 'eu' }, headers as Record<string, string>)).toContain(what)
  })

  test('is compared at the depth of the annotation', () => {
    const deep = paramHeadersOf(schemaOf({ at: schemaOf({ city: annotated('string', 'City') }) }))
    expect(paramHeaderFault(deep, { at: { city: 'Bern' } }, { 'mcp-param-city': 'Bern' })).toBeUndefined()
    expect(paramHeaderFault(deep, { at: { city: 'Bern' }, city: 'Thun' }, { 'mcp-param-city': 'Thun' })).toBeDefined()
  })

  test.each([
    ['7', true],
    ['7.0', true],
    ['8', false],
    ['', false],
    ['0x7', false],
    ['7e0', false],
  ])('compares an integer with %j as a number: %s', (said, isFine) => {
    expect(paramHeaderFault(COUNT, { count: 7 }, { 'mcp-param-count': said }) === undefined).toBe(isFine)
  })
})
