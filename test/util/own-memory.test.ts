// Copies that are kept for long.
import { concatUnpooled } from '../../lib/util/own-memory.ts'

test('a copy has the bytes of all chunks, in memory that nothing else uses', () => {
  const copy = concatUnpooled([Buffer.from('a'), Buffer.alloc(0), Buffer.from('bc')])
  expect(copy.toString()).toBe('abc')
  expect(copy.buffer.byteLength).toBe(3)
  expect(concatUnpooled([])).toHaveLength(0)
})
