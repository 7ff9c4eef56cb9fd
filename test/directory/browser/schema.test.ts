// What a form is made of: the kinds of fields that schemas lead to, and where there is no form.
import { hasForm, kindOfSchema, resolved } from '../../../lib/directory/browser/schema.ts'

const kindOf = (property: object, root: object = {}, depth = 1): unknown =>
  kindOfSchema(resolved(property, root as never)!, root as never, depth)

test.each([
  [{ type: 'string' }, { kind: 'text' }],
  [{ type: ['string', 'null'] }, { kind: 'text' }],
  [{ anyOf: [{ type: 'integer' }, { type: 'null' }] }, { kind: 'number', whole: true }],
  [{ type: 'number' }, { kind: 'number', whole: false }],
  [{ type: 'boolean' }, { kind: 'boolean' }],
  [{ const: 1 }, { kind: 'choice', choices: [{ value: 1, label: '1' }] }],
  [
    { enum: ['a', null] },
    {
      kind: 'choice',
      choices: [
        { value: 'a', label: 'a' },
        { value: null, label: 'null' },
      ],
    },
  ],
  [
    { enum: ['a'], enumNames: ['A'] },
    { kind: 'choice', choices: [{ value: 'a', label: 'A' }] },
  ],
  [{ oneOf: [{ const: 'a', title: 'A' }] }, { kind: 'choice', choices: [{ value: 'a', label: 'A' }] }],
  [
    { type: 'array', items: { enum: ['a'] } },
    { kind: 'choices', choices: [{ value: 'a', label: 'a' }] },
  ],
  [
    { type: 'array', items: { type: 'string' } },
    { kind: 'list', items: { type: 'string' } },
  ],
  [{ type: 'array' }, { kind: 'json' }],
  [{ type: 'array', prefixItems: [{}], items: {} }, { kind: 'json' }],
  [{ type: 'object' }, { kind: 'json' }],
  [{ type: 'object', additionalProperties: { type: 'string' } }, { kind: 'json' }],
  [{ anyOf: [{ type: 'string' }, { type: 'number' }] }, { kind: 'json' }],
  [{ type: 'string', not: { const: 'a' } }, { kind: 'json' }],
  [{ type: 'string', $ref: 'https://example.com/schema' }, { kind: 'json' }],
  [{ enum: Array.from({ length: 501 }, (_, index) => index) }, { kind: 'json' }],
  [{}, { kind: 'json' }],
  [true, { kind: 'json' }],
])('%j is %j', (schema, kind) => {
  expect(kindOf(schema as object)).toEqual(kind)
})

test('references within the document are followed, with what stands beside them', () => {
  const root = { $defs: { 'a/b': { type: 'string', title: 'Old' } } }
  expect(resolved({ $ref: '#/$defs/a~1b', title: 'New' }, root)).toEqual({ type: 'string', title: 'New' })
  expect(resolved({ $ref: '#/$defs/none' }, root)).toEqual({})
  expect(resolved({ $ref: '#/constructor' }, root)).toEqual({})
  const ring = { $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } }
  expect(resolved({ $ref: '#/$defs/a' }, ring)).toEqual({})
})

test('objects nest three levels deep; what is deeper is JSON', () => {
  const nested = { type: 'object', properties: { next: { $ref: '#' } } }
  expect(kindOf(nested, nested, 2)).toMatchObject({ kind: 'object' })
  expect(kindOf(nested, nested, 3)).toEqual({ kind: 'json' })
})

test('a schema that is no object with properties, or has more than 60 fields, has no form', () => {
  const fields = (count: number): object => ({
    type: 'object',
    properties: Object.fromEntries(Array.from({ length: count }, (_, index) => [`f${index}`, { type: 'string' }])),
  })
  const inner = { type: 'object', properties: { one: fields(29), two: fields(29) } }
  expect([fields(60), { type: 'object' }, {}, inner].map((schema) => hasForm(schema as never))).toEqual([
    true,
    true,
    false,
    true,
  ])
  expect(hasForm(fields(61) as never)).toBe(false)
  expect(hasForm({ ...inner, properties: { ...inner.properties, three: { type: 'string' } } })).toBe(false)
  expect(hasForm({ type: 'object', oneOf: [] })).toBe(false)
})
