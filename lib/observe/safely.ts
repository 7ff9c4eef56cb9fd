/** Whoever observes may fail, and changes nothing by it. */

/** What a function answers; `undefined` when it throws, which is reported. */
export function safely<T>(work: () => T, report: (error: unknown) => void): T | undefined {
  try {
    return work()
  } catch (error) {
    report(error)
    return undefined
  }
}
