/** Names the place of an error in docs/errors.md: each code has an anchor there, and TypeErrors share one. */
import type { GatewayErrorCode } from '../errors.ts'

export function anchorOf(code: GatewayErrorCode | 'typeerror'): string {
  return `docs/errors.md#${code}`
}

/**
 * Checks the options of an exported function. A TypeError gets its anchor, and a stack that begins where the embedder
 * called that function.
 */
export function checkOptions<T>(caller: (...given: never[]) => unknown, check: () => T): T {
  try {
    return check()
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    const anchored = new TypeError(`${error.message} (${anchorOf('typeerror')})`)
    Error.captureStackTrace(anchored, caller)
    throw anchored
  }
}
