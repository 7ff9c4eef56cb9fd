// @ts-check
// What a property is: a named claim about any input, run against the gateway, which must have outlived each run.
import fc from 'fast-check'

/** @typedef {import('./world.mjs').World} World */

/**
 * @typedef {object} Property
 * @property {string} name
 * @property {string} subject The file it stands in.
 * @property {string | undefined} known The fault of the issue that makes it fail, until that is mended.
 * @property {number} runs How many runs `npm test` gives it.
 * @property {(world: World, parameters: fc.Parameters<any>) => Promise<fc.RunDetails<any>>} run
 */

/**
 * @template T
 * @param {{ name: string, subject: string, known?: string, runs: number }} claim
 * @param {fc.Arbitrary<T>} input
 * @param {(world: World, input: T) => Promise<void>} holds Throws where it does not.
 * @returns {Property}
 */
export function property({ name, subject, known, runs }, input, holds) {
  /** @param {World} world */
  const over = (world) =>
    fc.asyncProperty(input, (value) =>
      world.alone(async () => {
        await holds(world, value)
        await world.checkAlive()
      }),
    )
  return { name, subject, known, runs, run: (world, parameters) => fc.check(over(world), parameters) }
}

/** Says what is wrong with bytes that should be others. @param {Buffer} got @param {Buffer} want @param {string} what */
export function same(got, want, what) {
  if (got.equals(want)) return
  let at = 0
  while (at < got.length && got[at] === want[at]) at += 1
  const near = (/** @type {Buffer} */ bytes) => JSON.stringify(bytes.subarray(Math.max(0, at - 20), at + 40).toString())
  throw new Error(`${what}: ${got.length} bytes for ${want.length}, at ${at} ${near(got)} for ${near(want)}`)
}

/** The bytes of a JSON answer, or of an error that is said. @param {{ status: number, body: Buffer }} answer */
export function errorOf({ status, body }) {
  try {
    const { error, id } = JSON.parse(body.toString())
    return status >= 400 && typeof error?.message === 'string' ? { id } : undefined
  } catch {
    return undefined
  }
}

/** So much is held at most, or the error says how much it was. @param {number} held @param {number} most @param {string} what */
export function atMost(held, most, what) {
  if (!(held <= most))
    throw new Error(`${what}: ${Math.round(held / 1024)} KiB, where ${Math.round(most / 1024)} would do`)
}
