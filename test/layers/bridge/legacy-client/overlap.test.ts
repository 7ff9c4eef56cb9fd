// Two streams of the same notifications by themselves: what is remembered of them while both are there.
import { Overlap } from '../../../../lib/layers/bridge/legacy-client/overlap.ts'
import { heldBytes, MiB } from '../../../faults/support-bounds.ts'

test('SC6 of long messages it remembers no more than of short ones', async () => {
  const overlap = new Overlap()
  const [first, second] = [overlap.stream(), overlap.stream()]
  const text = (count: number): string => Buffer.alloc(MiB, String(count)).toString()
  overlap.begin()
  const before = await heldBytes()
  for (let count = 0; count < 100; count += 1) expect(overlap.isNews(text(count), first)).toBe(true)
  expect((await heldBytes(before + 10 * MiB)) - before).toBeLessThan(10 * MiB)
  expect([overlap.isNews(text(0), second), overlap.isNews(text(0), second)]).toEqual([false, true])
})
