/** A few random bytes at a time, for ids: the system is asked for many at once, as it takes as long for few. */
import { randomFillSync } from 'node:crypto'

const ahead = Buffer.allocUnsafeSlow(4_096)

/** How many of the bytes have been used, which are zeros by now. */
let used = ahead.length

/** Random bytes of cryptographic quality, 64 at most. Node draws those of `randomUUID()` ahead, too. */
export function drawnBytes(count: number): Buffer {
  if (used + count > ahead.length) {
    randomFillSync(ahead)
    used = 0
  }
  const drawn = Buffer.from(ahead.subarray(used, used + count))
  ahead.fill(0, used, used + count)
  used += count
  return drawn
}
