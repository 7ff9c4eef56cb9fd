// Which values are told apart, and which cannot be.
import { fingerprint } from '../../lib/util/fingerprint.ts'

const principals: unknown[] = [
  undefined,
  { id: 'ada' },
  { id: 'ada', tenant: 'red' },
  { id: 'ada', tenant: null },
  { id: 'ada', roles: ['admin'] },
  { id: 'ada', roles: new Set(['admin']) },
  { id: 'ada', roles: new Set(['reader']) },
  { id: 'ada', roles: new Map([['red', 'admin']]) },
  { id: 'ada', roles: new Map([['red', 'reader']]) },
  { id: 'ada', level: 1n },
  { id: 'ada', level: NaN },
  { id: 'ada', level: Infinity },
  { id: 'ada', home: new URL('https://red.example') },
  { id: 'ada', home: new URL('https://blue.example') },
  { id: 'ada', since: new Date(0) },
]

test('ST12: whatever can be seen in a value makes another one of it', () => {
  expect(new Set(principals.map((one) => fingerprint([one]))).size).toBe(principals.length)
  expect(fingerprint([{ id: 'ada', roles: new Set(['admin']) }])).toBe(fingerprint([principals[5]]))
})

class Hidden {
  readonly #tenant = 'red'

  tenant(): string {
    return this.#tenant
  }
}

test.each<[string, unknown]>([
  ['a function', { id: 'ada', may: () => true }],
  ['what it keeps to itself', { id: 'ada', who: new Hidden() }],
  ['headers', { id: 'ada', headers: new Headers({ a: 'b' }) }],
  ['a symbol', { id: 'ada', kind: Symbol('x') }],
])('ST12: a value with %s cannot be compared', (_, value) => {
  expect(fingerprint([value])).toBeUndefined()
})

test('ST12: a value in a circle, or nested too deeply, cannot be compared', () => {
  const circle: Record<string, unknown> = { id: 'ada' }
  circle['self'] = circle
  let deep: unknown = {}
  for (let level = 0; level < 100_000; level += 1) deep = { deep }
  expect([fingerprint(circle), fingerprint(deep)]).toEqual([undefined, undefined])
})
