// What the tests of faults met by clients, of misuse, of auth and of the directory share.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

// Kept from before a test puts the clock into its own hands.
const { setTimeout: startTimer, clearTimeout: stopTimer } = globalThis

/** What a promise gives, or a failure that names what did not come, long before jest would lose patience. */
export async function soon<T>(promise: Promise<T>, what: string, ms = 1_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = startTimer(() => reject(new Error(`${what} did not come within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    stopTimer(timer)
    // What comes after it was waited for is nobody's to handle.
    promise.catch(() => {})
  }
}

/** The message of the TypeError that refuses a use, `undefined` when there is none; another error is a fault. */
export function refusalOf(use: () => unknown): string | undefined {
  try {
    use()
    return undefined
  } catch (error) {
    if (error instanceof TypeError) return error.message
    throw error
  }
}

/** An error's message, and those of its causes. */
export function said(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message}: ${said(error.cause)}`
}

let collect: (() => void) | undefined

/** The bytes that are held after a collection, buffers included. */
export function collected(): number {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as () => void
  }
  collect()
  const { heapUsed, external, arrayBuffers } = process.memoryUsage()
  return heapUsed + Math.max(external, arrayBuffers)
}
