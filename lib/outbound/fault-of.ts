/** Whatever was thrown -> the error that the client gets. */
import { GatewayError } from '../errors.ts'
import type { ErrorContext } from '../types.ts'

/** What to answer for a fault; `report` is told what the answer hides. */
export function faultOf(
  error: unknown,
  context: Partial<ErrorContext>,
  report: (error: unknown, context: Partial<ErrorContext>) => void,
): GatewayError {
  const known = error instanceof GatewayError ? error : new GatewayError('internal', 'Internal error')
  // A client's own fault is said to the client alone; what it cannot see, or mend, is the operator's to know.
  const isSwallowed = known.status >= 500 ? known.code !== 'closing' : known.cause !== undefined
  if (isSwallowed) report(error, context)
  return known
}
