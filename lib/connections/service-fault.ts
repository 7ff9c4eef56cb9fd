/** The errors for what services do: what the client is told, and the reason for the operator, without secrets. (SC7) */
import { Unavailable } from '../auth/bounded-fetch.ts'
import { describe, isAnswer } from '../auth/token-endpoint.ts'
import { GatewayError } from '../errors.ts'

/** The standard error that the token endpoint answered with. */
export function answeredError(error: unknown): string | undefined {
  return isAnswer(error) && 'error' in error ? error.error : undefined
}

/** `sent` are the values that must not be in any message. */
export function serviceFault(error: unknown, issuer: string | undefined, sent: readonly string[] = []): GatewayError {
  if (error instanceof GatewayError) return error
  if (error instanceof Unavailable) {
    return new GatewayError('unavailable', "The server's authorization server does not answer", { cause: error })
  }
  const of = issuer === undefined ? '' : `${issuer}: `
  const why = isAnswer(error) ? describe(error, sent) : error instanceof Error ? error.message : String(error)
  return cannotConnect(`${of}${why}`)
}

export function cannotConnect(why: string): GatewayError {
  const message = 'The gateway cannot get a token of the user for the server'
  return new GatewayError('upstream_unauthorized', message, { cause: new Error(why) })
}
