/** Converts a thrown value into the error that the client gets. */
import { GatewayError } from '../errors.ts'
import type { ErrorContext } from '../types.ts'

/** Reports faults whose details the client does not see. */
export function faultOf(
  error: unknown,
  context: Partial<ErrorContext>,
  report: (error: unknown, context: Partial<ErrorContext>) => void,
): GatewayError {
  const known = error instanceof GatewayError ? error : new GatewayError('internal', 'Internal error')
  // The client alone sees its own mistakes; the operator must know of faults that the client cannot see or fix.
  const isSwallowed = known.status >= 500 ? known.code !== 'closing' : known.cause !== undefined
  if (isSwallowed) report(error, context)
  return known
}
