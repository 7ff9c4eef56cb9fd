// @ts-check
// Seeded random numbers: each part of a run draws from a generator of its own, so that one part's draws change no other's.
import { createHash } from 'node:crypto'

/**
 * @typedef {object} Random
 * @property {() => number} next at least 0, below 1
 * @property {(from: number, to: number) => number} between a real number
 * @property {(from: number, to: number) => number} whole a whole number, both ends included
 * @property {<T>(list: readonly T[]) => T} pick
 * @property {(share: number) => boolean} chance
 */

/** Mulberry32, seeded with a digest of the text. @param {string} seed @returns {Random} */
export function randomOf(seed) {
  let state = createHash('sha256').update(seed).digest().readUInt32LE(0)
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  return {
    next,
    between: (from, to) => from + next() * (to - from),
    whole: (from, to) => from + Math.floor(next() * (to - from + 1)),
    pick: (list) => /** @type {any} */ (list[Math.floor(next() * list.length)]),
    chance: (share) => next() < share,
  }
}
