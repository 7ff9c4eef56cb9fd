// Bytes that are held: the same come out, and many small chunks cost no more than few.
import fc from 'fast-check'
import { ChunkList } from '../../lib/util/chunk-list.ts'

const chunk = fc
  .tuple(fc.constantFrom(0, 1, 2, 100, 511, 512, 1023, 1024, 5000, 70_000), fc.nat({ max: 255 }))
  .map(([length, byte]) => Buffer.alloc(length, byte))
const chunks = fc.array(chunk, { maxLength: 12 })

function listOf(all: readonly Buffer[]): ChunkList {
  const list = new ChunkList()
  for (const each of all) list.push(each)
  return list
}

test('what comes out is what went in, in order, and counted', () => {
  fc.assert(
    fc.property(chunks, (all) => {
      const whole = Buffer.concat(all)
      expect(listOf(all).byteLength).toBe(whole.length)
      expect(Buffer.concat(listOf(all).take()).equals(whole)).toBe(true)
      expect(listOf(all).concat().equals(whole)).toBe(true)
    }),
  )
})

test('nothing is held once it was taken, put together or cleared, and what comes then is not mixed up with it', () => {
  const empty = {
    take: (list: ChunkList) => list.take(),
    concat: (list: ChunkList) => list.concat(),
    clear: (list: ChunkList) => list.clear(),
  }
  for (const [name, how] of Object.entries(empty)) {
    const list = listOf([Buffer.from('old'), Buffer.alloc(2000, 'x'), Buffer.from('older')])
    how(list)
    expect({ name, left: list.byteLength }).toEqual({ name, left: 0 })
    list.push(Buffer.from('new'))
    expect({ name, bytes: list.concat().toString() }).toEqual({ name, bytes: 'new' })
  }
})

test('bytes that were taken stay as they are when more come', () => {
  const list = listOf([Buffer.from('first')])
  const [taken] = list.take()
  list.push(Buffer.from('other'))
  expect(taken?.toString()).toBe('first')
})

test('a large chunk is itself, wherever it stands: it is not worth a copy', () => {
  const large = Buffer.alloc(1024, 'x')
  const small = Array.from({ length: 300 }, () => Buffer.from('a'))
  expect(listOf([...small, large, ...small]).take()).toContain(large)
})

test('many small chunks become few', () => {
  const list = new ChunkList()
  for (let count = 0; count < 100_000; count += 1) list.push(Buffer.from('a'))
  const taken = list.take()
  expect(taken.length).toBeLessThan(1_000)
  expect(Buffer.concat(taken)).toHaveLength(100_000)
})

test('one chunk alone is not copied again when it is put together', () => {
  const large = Buffer.alloc(5000, 'x')
  expect(listOf([large]).concat()).toBe(large)
})

test('a run of small chunks keeps nothing but its bytes, not the pool of small Buffers', () => {
  const list = listOf(Array.from({ length: 128 }, () => Buffer.from('x')))
  const run = list.shift()!
  expect([run.length, run.buffer.byteLength]).toEqual([128, 128])
})
