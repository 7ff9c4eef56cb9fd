/** Copies bytes that are kept for long into memory of their own. */

/**
 * Joins chunks. `Buffer.concat()` and `Buffer.from()` take small Buffers from a pool that others share, of 64 KiB since
 * Node.js 24, and one that is kept keeps all of it.
 */
export function concatUnpooled(chunks: readonly Buffer[]): Buffer {
  let length = 0
  for (const chunk of chunks) length += chunk.length
  const bytes = Buffer.allocUnsafeSlow(length)
  let end = 0
  for (const chunk of chunks) end += chunk.copy(bytes, end)
  return bytes
}
