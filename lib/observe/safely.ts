/** Calls observers so that their errors are reported and never affect the messages. */

/** Returns the function's result; `undefined` when it throws, which is reported. */
export function safely<T>(work: () => T, report: (error: unknown) => void): T | undefined {
  try {
    return work()
  } catch (error) {
    report(error)
    return undefined
  }
}
