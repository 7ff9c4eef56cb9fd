/** Sends members what needs no answer: a client's notifications, and its responses to their questions. */
import type { Exchange } from '../../exchange/exchange.ts'
import { replaceValues } from '../../exchange/json-text.ts'
import type { NotificationMessage, ResponseMessage } from '../../exchange/message.ts'
import { drainReply, type Reply } from '../../exchange/reply.ts'
import { sendToMember, enter } from './aggregate-parts.ts'
import type { Aggregates } from './aggregates.ts'
import { questionIdToMember } from './member-ids.ts'
import { type Member, membersFor } from './members.ts'
import type { RequestId } from '../../types.ts'
import { isElsewhere } from '../../errors.ts'

const TAKEN: Reply = { kind: 'empty', status: 202, headers: {} }

const PROGRESS_TOKEN_PATH = ['params', 'progressToken']

/** Sends a response to the member whose question it answers; one that answers none is accepted, and dropped. */
export async function sendResponse(
  exchange: Exchange,
  message: ResponseMessage,
  aggregates: Aggregates,
): Promise<Reply> {
  const asked = questionIdToMember(message.id)
  const member = asked && (await membersFor(exchange)).find(({ name }) => name === asked.member)
  if (!asked || !member) return TAKEN
  const text = replaceValues(message.text, [{ path: ['id'], value: asked.text }])
  return tell(exchange.with({ message: { ...message, id: asked.id, text } }), [member], aggregates)
}

/** Sends a notification to the members that it concerns: by the id or the token that it names, or else to all. */
export async function sendNotification(
  exchange: Exchange,
  message: NotificationMessage,
  aggregates: Aggregates,
): Promise<Reply> {
  const members = await membersFor(exchange)
  if (message.method === 'notifications/progress') return progress(exchange, message, members, aggregates)
  if (message.method !== 'notifications/cancelled') {
    const reply = await tell(exchange, members, aggregates)
    // A server may refuse to be listened to before.
    if (message.method === 'notifications/initialized')
      aggregates.fanIns.get(exchange.origin.session?.id ?? '')?.hurry()
    return reply
  }
  const call = aggregates.calls.find(exchange, message.params?.['requestId'] as RequestId)
  if (call && 'cancel' in call) {
    call.cancel()
    return TAKEN
  }
  // Another node may have sent the request, so that this one does not know to whom.
  const concerned = call ? members.filter(({ name }) => name === call.member) : members
  return tell(exchange, concerned, aggregates)
}

function progress(
  exchange: Exchange,
  message: NotificationMessage,
  members: readonly Member[],
  aggregates: Aggregates,
): Promise<Reply> | Reply {
  const asked = questionIdToMember(message.params?.['progressToken'])
  const member = asked && members.find(({ name }) => name === asked.member)
  if (!asked || !member) return TAKEN
  const text = replaceValues(message.text, [{ path: PROGRESS_TOKEN_PATH, value: asked.text }])
  const params = { ...message.params, progressToken: asked.id }
  return tell(exchange.with({ message: { ...message, params, text } }), [member], aggregates)
}

/** A member that does not take it has lost what it was about: its session is opened again by the next request. */
async function tell(exchange: Exchange, members: readonly Member[], { sessions, parts }: Aggregates): Promise<Reply> {
  const isModern = exchange.message?.era === 'modern'
  await Promise.all(
    members.map(async (member) => {
      const state = isModern ? undefined : sessions.stateOf(exchange, member)
      if (!state && !isModern) return
      try {
        drainReply(await sendToMember(enter(exchange, member, state), member, parts))
      } catch (error) {
        if (isElsewhere(error)) throw error
      }
    }),
  )
  return TAKEN
}
