/** Replaces client ids by pipe ids and back in the text of messages; all else stays byte for byte. Pure. */
import { exchangeValues, replaceValues, valueText } from '../../exchange/json-text.ts'
import { META } from '../../protocol.ts'

const ID_PATH = ['id']
const CANCELLED_ID = ['params', 'requestId']
const TOKEN_OF_REQUEST = ['params', '_meta', 'progressToken']
const TOKEN_OF_PROGRESS = ['params', 'progressToken']
const SUBSCRIPTION = ['params', '_meta', META.subscriptionId]
const SUBSCRIPTION_OF_RESULT = ['result', '_meta', META.subscriptionId]

/** The ids that the client gave its request, as the JSON text of each. */
export interface ClientIds {
  readonly id: string
  readonly progressToken: string | undefined
}

/**
 * Replaces the id and the progress token of a request by the pipe's id, which is unique on the pipe for both. Returns
 * the text to send, and the ids that the client gave.
 */
export function requestToPipe(request: string, pipeId: number): { readonly text: string; readonly ids: ClientIds } {
  const value = String(pipeId)
  const { text, before } = exchangeValues(request, [
    { path: ID_PATH, value },
    { path: TOKEN_OF_REQUEST, value },
  ])
  const [id = 'null', progressToken] = before
  return { text, ids: { id, progressToken } }
}

/** Replaces the id of the cancelled request by the pipe's. */
export function cancelToPipe(text: string, pipeId: number): string {
  return replaceValues(text, [{ path: CANCELLED_ID, value: String(pipeId) }])
}

/** Restores the client's id in a response, and in its subscription id if it is a listener's. */
export function responseToClient(text: string, { id }: ClientIds): string {
  return replaceValues(text, [
    { path: ID_PATH, value: id },
    { path: SUBSCRIPTION_OF_RESULT, value: id },
  ])
}

export function progressToClient(text: string, { progressToken }: ClientIds): string {
  return progressToken === undefined ? text : replaceValues(text, [{ path: TOKEN_OF_PROGRESS, value: progressToken }])
}

export function subscribedToClient(text: string, { id }: ClientIds): string {
  return replaceValues(text, [{ path: SUBSCRIPTION, value: id }])
}

/** The id of a server's own request, as its JSON text. */
export function questionId(text: string): string {
  return valueText(text, ID_PATH) ?? 'null'
}
