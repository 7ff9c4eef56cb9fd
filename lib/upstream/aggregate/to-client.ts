/** What a member says, as the client gets it: its questions, events and URIs are told from those of other members. */
import type { Body } from '../../exchange/body.ts'
import { patchObject } from '../../exchange/json-patch.ts'
import { replaceValues, valueText } from '../../exchange/json-text.ts'
import { mapMessages, type Mapped, type Wants } from '../../exchange/map-messages.ts'
import type { Message } from '../../exchange/message.ts'
import type { Reply } from '../../exchange/reply.ts'
import type { JsonObject } from '../../util/json.ts'
import type { Member } from './members.ts'
import { eventIdToClient, questionIdToClient } from './member-ids.ts'
import { mapQuestionUris, mapResource, mapResultUris, mayHaveUris } from './uri-places.ts'
import { advertisedUri } from './uris.ts'

const ID_OF_QUESTION = ['id']
const CANCELLED_QUESTION = ['params', 'requestId']
const PROGRESS_TOKEN = ['params', '_meta', 'progressToken']

/** Notifications that name nothing of the member's own: a progress token is the client's. */
const PLAIN: ReadonlySet<string> = new Set(['notifications/progress', 'notifications/message'])

/** How a member's messages are changed. */
export interface ToClient {
  readonly member: Member
  /** Whether its URIs name the member. */
  readonly hasUris: boolean
}

/** A reply that is one member's: a response without URIs keeps its very bytes. */
export function replyToClient(reply: Reply, how: ToClient): Reply {
  const { member, hasUris } = how
  if (reply.kind === 'json' && (!hasUris || isWithoutUris(reply.body))) return reply
  const wants: Wants = {
    methods: (method) => !PLAIN.has(method),
    ...(hasUris && { responses: mayHaveUris }),
    eventIds: (id) => eventIdToClient(member.name, id),
  }
  const mapped = mapMessages(reply, wants, (message) => messageToClient(message, how))
  // A state in it is the member's: where the stream goes on, the session's own record has it.
  return mapped.kind === 'events' && mapped.state ? { ...mapped, state: undefined } : mapped
}

/** Whether a document has arrived whole and has no URIs. */
function isWithoutUris(body: Body): boolean {
  const whole = body.whole()
  if (!whole) return false
  body.unread([whole])
  return !mayHaveUris(whole)
}

export function messageToClient(message: Message, how: ToClient): Mapped {
  const { member, hasUris } = how
  const map = (uri: string): string => advertisedUri(member.name, uri)
  if (message.kind === 'response') {
    if (!hasUris || message.error !== undefined) return undefined
    return patched(message, 'result', mapResultUris(message.result, map))
  }
  if (message.kind === 'batch') return batchToClient(message, how)
  if (message.kind === 'request')
    return { text: questionText(hasUris ? questionWithUris(message, map) : message.text, member) }
  if (message.method === 'notifications/cancelled') return { text: renamed(message.text, CANCELLED_QUESTION, member) }
  if (message.method !== 'notifications/resources/updated' || !hasUris) return undefined
  return patched(message, 'params', mapResource(message.params, map))
}

function batchToClient(message: Message & { kind: 'batch' }, how: ToClient): Mapped {
  const texts = message.items.map((item) => {
    const mapped = messageToClient(item, how)
    return mapped && mapped !== 'drop' ? mapped.text : item.text
  })
  return { text: `[${texts.join(',')}]` }
}

function questionWithUris(message: Message & { kind: 'request' }, map: (uri: string) => string): string {
  return patched(message, 'params', mapQuestionUris(message.params, map))?.text ?? message.text
}

function questionText(text: string, member: Member): string {
  return renamed(renamed(text, ID_OF_QUESTION, member), PROGRESS_TOKEN, member)
}

/** An id of the member's, where there is one, as the text of an id that names the member. */
function renamed(text: string, path: readonly string[], { name }: Member): string {
  const own = valueText(text, path)
  return own === undefined
    ? text
    : replaceValues(text, [{ path, value: JSON.stringify(questionIdToClient(name, own)) }])
}

function patched(message: Message, key: 'result' | 'params', value: unknown): { readonly text: string } | undefined {
  const json = message as unknown as JsonObject
  return value === json[key] ? undefined : { text: patchObject(message.text, { [key]: value }, json) }
}
