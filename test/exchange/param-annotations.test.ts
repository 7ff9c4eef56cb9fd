// Which arguments a tool's schema wants in `Mcp-Param-*`.
import { paramHeadersOf } from '../../lib/exchange/param-annotations.ts'

const annotated = (type: unknown, name: unknown = 'Region'): object => ({ type, 'x-mcp-header': name })
const schemaOf = (properties: object): object => ({ type: 'object', properties })

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
    ['a name that no head has room for', { region: annotated('string', 'r'.repeat(257)) }],
    ['a name that is empty', { region: annotated('string', '') }],
    ['a name that is no text', { region: annotated('string', 1) }],
    ['a type that is not primitive', { region: annotated('object') }],
    ['a number, which may be a fraction', { region: annotated('number') }],
    ['no type', { region: annotated(undefined) }],
    ['an annotation where no path leads', { region: { type: 'array', items: annotated('string') } }],
    ['one name twice', { region: annotated('string'), other: annotated('string', 'REGION') }],
  ])('%s makes a tool that no client calls: nothing is compared', (_what, properties) => {
    expect(paramHeadersOf(schemaOf({ fine: annotated('string', 'Fine'), ...properties }))).toBeUndefined()
  })

  test.each([undefined, null, 1, 'text', [], {}, { properties: null }, { properties: [] }])('%j has none', (schema) => {
    expect(paramHeadersOf(schema)).toEqual([])
  })

  test('a schema as deep as a message can be is no overflow', () => {
    let schema: object = { 'x-mcp-header': 'Deep', type: 'string' }
    for (let depth = 0; depth < 50_000; depth += 1) schema = schemaOf({ a: schema })
    expect(paramHeadersOf(schema)).toBeUndefined()
  })

  test('a tool has a hundred at most', () => {
    const many = (count: number): object =>
      schemaOf(Object.fromEntries(Array.from({ length: count }, (_, at) => [`p${at}`, annotated('string', `P${at}`)])))
    expect([paramHeadersOf(many(100))?.length, paramHeadersOf(many(101))]).toEqual([100, undefined])
  })
})
