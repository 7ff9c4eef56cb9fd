/** Runs the elicitations in an error -32042 through their interceptors. (2025-11-25 elicitation, URL Elicitation Required) */
import { GatewayError } from '../../errors.ts'
import type { ResponseMessage } from '../../exchange/message.ts'
import { isObject, member } from '../../util/json.ts'
import { isSoundError } from './frozen.ts'
import type { InterceptorSet } from './interceptor-set.ts'
import { decide, type ServerMessageParts, unshowable } from './decide.ts'
import { URL_ELICITATION_REQUIRED } from '../../protocol.ts'

const ELICIT = 'elicitation/create'

/** Whether errors must be read, since one of them may ask the user something that an interceptor wants to see. */
export function seesErrors(set: InterceptorSet): boolean {
  return set.chainOf(ELICIT).length > 0
}

/**
 * Rejects unless the interceptors pass on all elicitations of an error unchanged: a client that gets the error asks the
 * user all of them, and sends its request again, so that nobody could answer one in its place.
 */
export async function screenElicitations({ text, error }: ResponseMessage, parts: ServerMessageParts): Promise<void> {
  if (error === undefined || error === null || !seesErrors(parts.set)) return
  if (!isSoundError(text, error)) throw unshowable()
  if (error.code !== URL_ELICITATION_REQUIRED) return
  const asked = member(error.data, 'elicitations')
  for (const elicitation of Array.isArray(asked) ? (asked as unknown[]) : [asked]) {
    if (!isObject(elicitation)) throw unshowable()
    const said = await decide(ELICIT, undefined, elicitation, parts)
    if ('params' in said && said.params === elicitation) continue
    throw new GatewayError('forbidden', 'The server asks something that it may not ask here')
  }
}
