// Bytes become lines of a bounded length, however they are cut.
import fc from 'fast-check'
import { Lines } from '../../lib/stdio/lines.ts'

test('lines are the same, however the bytes are cut', () => {
  const text = fc.array(fc.string({ unit: 'binary', maxLength: 30 }).map((line) => line.replaceAll(/[\r\n]/g, '')))
  fc.assert(
    fc.property(text, fc.array(fc.nat(40)), fc.constantFrom('\n', '\r\n'), (expected, cuts, end) => {
      const wanted = expected.map((line) => Buffer.from(line).toString())
      const bytes = Buffer.from(expected.map((line) => line + end).join(''))
      const lines = new Lines(1_000)
      const found: string[] = []
      let at = 0
      for (const cut of [...cuts, bytes.length]) {
        found.push(...lines.feed(bytes.subarray(at, at + cut))!)
        at += cut
      }
      expect(found).toEqual(wanted)
    }),
  )
})

test.each([
  ['exactly as long as may be', '12345\n', ['12345']],
  ['too long', '123456\n', undefined],
  ['too long, and without an end', '123456', undefined],
  ['without an end so far', '12345', []],
])('a line that is %s', (_what, text, lines) => {
  expect(new Lines(5).feed(Buffer.from(text))).toEqual(lines)
})

test('a line that comes in pieces is as long as all of them', () => {
  const lines = new Lines(5)
  expect(lines.feed(Buffer.from('123'))).toEqual([])
  expect(lines.feed(Buffer.from('456'))).toBeUndefined()
})
