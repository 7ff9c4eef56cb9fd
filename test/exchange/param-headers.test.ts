// Whether a call repeats its arguments in `Mcp-Param-*` as the tool's schema wants.
import { paramHeadersOf } from '../../lib/exchange/param-annotations.ts'
import { paramHeaderFault } from '../../lib/exchange/param-headers.ts'

const annotated = (type: unknown, name: unknown = 'Region'): object => ({ type, 'x-mcp-header': name })
const schemaOf = (properties: object): object => ({ type: 'object', properties })
const REGION = paramHeadersOf(schemaOf({ region: annotated('string') }))!
const COUNT = paramHeadersOf(schemaOf({ count: annotated('integer', 'Count') }))!

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
    const deep = paramHeadersOf(schemaOf({ at: schemaOf({ city: annotated('string', 'City') }) }))!
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
