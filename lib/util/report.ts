/** Reports errors to the `onError` of the embedder, or prints them. */
import { GatewayError } from '../errors.ts'
import type { ErrorContext, GatewayOptions } from '../types.ts'
import { anchorOf } from './anchors.ts'
import { inspect } from './option-checks.ts'

/** Calls `onError`; never throws. */
export type ReportError = (error: unknown, context: Partial<ErrorContext> | undefined) => void

/** Throws a TypeError for an `onError` that is no function. */
export function reporting(onError: GatewayOptions['onError'] = print): ReportError {
  if (typeof onError !== 'function') {
    throw new TypeError('"onError" must be a function (error, { server, principal, request })')
  }
  const tell = async (thrown: unknown, context: ErrorContext): Promise<void> => {
    try {
      await (onError(thrown instanceof Error ? thrown : new Error(String(thrown)), context) as unknown)
    } catch (fault) {
      console.error('express-mcp-gateway: "onError" threw', fault)
    }
  }
  return (thrown, { server, principal, request } = {}) => void tell(thrown, { server, principal, request })
}

/** The default `onError`: prints one line for a GatewayError, which ends with its anchor in the docs, and an unexpected error with its stack. */
function print(error: Error, { server }: ErrorContext): void {
  const where = server === undefined ? '' : ` (server ${inspect(server)})`
  const what =
    error instanceof GatewayError ? `${error.code}: ${reasons(error).join(': ')} (${anchorOf(error.code)})` : error
  console.error(`express-mcp-gateway${where}:`, what)
}

function reasons(error: Error): string[] {
  return error.cause instanceof Error ? [error.message, ...reasons(error.cause)] : [error.message]
}
