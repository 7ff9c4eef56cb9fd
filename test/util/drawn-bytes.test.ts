// Random bytes that are drawn ahead: as many as were asked for, never the same ones twice, in memory of their own.
import { drawnBytes } from '../../lib/util/drawn-bytes.ts'

test('there are as many as were asked for, also where those that were drawn ahead run out', () => {
  for (let round = 0; round < 1_000; round += 1) {
    for (const count of [9, 12, 24, 64]) expect(drawnBytes(count)).toHaveLength(count)
  }
})

test('none come twice, and all values come', () => {
  const seen = new Set<string>()
  const values = new Set<number>()
  for (let round = 0; round < 10_000; round += 1) {
    const bytes = drawnBytes(24)
    seen.add(bytes.toString('base64url'))
    for (const byte of bytes) values.add(byte)
  }
  expect([seen.size, values.size]).toEqual([10_000, 256])
})

test('they are not changed by those that are drawn after them', () => {
  const first = drawnBytes(24)
  const text = first.toString('hex')
  for (let round = 0; round < 1_000; round += 1) drawnBytes(24)
  expect(first.toString('hex')).toBe(text)
})
