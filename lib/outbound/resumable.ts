/** Whether the client of a stream that has ended can have the rest of it: then it is told no error. (SE3) */
import type { GatewayError } from '../errors.ts'
import type { End } from '../exchange/body.ts'
import type { EventsReply } from '../exchange/reply.ts'

/** `end` is that of the body, if it has one; `stopped` is the reason for which the exchange was stopped, if it was. */
export function isResumable(
  { resumeAfter, kept }: EventsReply,
  end: End | undefined,
  stopped: GatewayError | undefined,
): boolean {
  if (end?.how === 'poll') return true
  if (resumeAfter() === undefined) return false
  if (!stopped) return end?.how === 'complete'
  return stopped.code === 'closing' || (kept && stopped.code === 'unauthorized')
}
