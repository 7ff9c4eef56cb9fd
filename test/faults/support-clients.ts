// What the tests of faults met by clients, of misuse, of auth and of the directory share.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

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
