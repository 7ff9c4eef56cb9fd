/** The error for a request that stays unanswered, and how it is recognised in a stream. (ER14) */
import { GatewayError, type GatewayErrorCode } from '../errors.ts'

const CONNECTION_BROKE = 'The connection to the server broke'
const NO_ANSWER = 'The server ended its stream without an answer'

/** The server ended its stream without an answer, or the connection broke. */
export function brokenOff(cause: Error | undefined): GatewayError {
  return cause
    ? new GatewayError('upstream_broken', CONNECTION_BROKE, { cause })
    : new GatewayError('upstream_broken', NO_ANSWER)
}

/**
 * The code of a JSON-RPC error that was read, if it is one of `brokenOff()`: an event log writes these into the stream,
 * where they look like errors of the server.
 */
export function codeOfBrokenOff(rpcCode: number | undefined, message: string): GatewayErrorCode | undefined {
  return rpcCode === 502 && (message === CONNECTION_BROKE || message === NO_ANSWER) ? 'upstream_broken' : undefined
}
