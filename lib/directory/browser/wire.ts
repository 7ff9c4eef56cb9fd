/** Sends messages to the server's own endpoint, and nowhere else, with the cookies of the page. */
import { EVENT_STREAM_TYPE, JSON_TYPE, mediaType } from '../../protocol.ts'
import { isObject, type JsonObject, member, parseJson } from '../../util/json.ts'
import { readEvents, type StreamEnd } from './event-stream.ts'

/** An error that the server or the gateway answered with. */
export class AnsweredError extends Error {
  /** The code of the JSON-RPC error; `undefined` where there was none. */
  readonly code: unknown
  readonly data: unknown
  /** The HTTP status; `undefined` for an error in the middle of a stream. */
  readonly status: number | undefined

  constructor(error: unknown, status?: number) {
    const message = member(error, 'message')
    super(typeof message === 'string' && message !== '' ? message : `The gateway answered ${status ?? 'nothing'}`)
    this.code = member(error, 'code')
    this.data = member(error, 'data')
    this.status = status
  }
}

/** One HTTP request. */
export interface Sending {
  readonly verb: 'POST' | 'GET'
  readonly message?: JsonObject | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
  /** Called with each message of the response. */
  readonly onMessage: (message: JsonObject) => void
  /** Called with the headers of the response, before its messages. */
  readonly onHead?: ((headers: Headers) => void) | undefined
}

/** A page of the same origin alone is asked; a login that redirects is a failure. */
const ALIKE = { mode: 'same-origin', credentials: 'same-origin', redirect: 'error', cache: 'no-store' } as const

/**
 * Resolves at the end of the response, for a stream with where it ended.
 *
 * @throws {AnsweredError} for a status that is no success.
 */
export async function sendToEndpoint(endpoint: string, sending: Sending): Promise<StreamEnd | undefined> {
  const { verb, message, headers, signal, onMessage, onHead } = sending
  const accept = verb === 'GET' ? EVENT_STREAM_TYPE : `${JSON_TYPE}, ${EVENT_STREAM_TYPE}`
  const response = await fetch(endpoint, {
    ...ALIKE,
    method: verb,
    headers: { accept, ...(message && { 'content-type': JSON_TYPE }), ...headers },
    ...(message && { body: JSON.stringify(message) }),
    signal: signal ?? null,
  })
  const type = mediaType(response.headers.get('content-type') ?? undefined)
  if (!response.ok) throw new AnsweredError(member(parseJson(await response.text()), 'error'), response.status)
  onHead?.(response.headers)
  const receive = (text: string): void => {
    const received = parseJson(text)
    for (const one of Array.isArray(received) ? (received as unknown[]) : [received]) if (isObject(one)) onMessage(one)
  }
  if (type === EVENT_STREAM_TYPE && response.body) return readEvents(response.body, receive)
  if (type === JSON_TYPE) receive(await response.text())
  return undefined
}

/** Ends a session, also while the page is left: nothing is read of the answer. */
export function endWithKeepalive(endpoint: string, headers: Readonly<Record<string, string>>): void {
  void fetch(endpoint, { ...ALIKE, method: 'DELETE', headers, keepalive: true }).catch(() => {})
}
