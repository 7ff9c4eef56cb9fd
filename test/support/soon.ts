// Waits with an end, so that what hangs fails its test in words of its own.

/** The real ones, whatever a test fakes later. */
const { setTimeout: later, clearTimeout: never } = globalThis

/** Longer than anything takes on a busy machine, and shorter than jest's own patience: it ends a hang and measures nothing. */
const HANG_MS = 30_000

/** What a promise brings, or an error that says what did not come. */
export async function soon<T>(promise: Promise<T>, what: string, ms = HANG_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = later(() => reject(new Error(`Not within ${ms} ms: ${what}`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    never(timer)
    // What comes after it was waited for is nobody's to handle.
    promise.catch(() => {})
  }
}

/** Whether a promise settles at all; give a shorter time where it must not. */
export async function settles(promise: Promise<unknown>, ms = HANG_MS): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = later(() => resolve(false), ms)
  })
  const settled = promise.then(
    () => true,
    () => true,
  )
  return Promise.race([settled, late]).finally(() => never(timer))
}
