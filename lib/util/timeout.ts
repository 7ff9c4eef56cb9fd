/** Bounds how long a promise is waited for. */

/** Rejects with an Error of these words when a promise keeps nobody informed for `ms` milliseconds. */
export async function inTime<T>(ms: number, promise: Promise<T>, words: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(words)), ms).unref()
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Resolves with the promise, at the latest at the deadline, a time of `performance.now()`. */
export async function within(deadline: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, deadline - performance.now()).unref()))
  try {
    await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
