/** Checks the documents that no interceptor sees: each must be the response to its request, and nothing else. */
import { GatewayError } from '../../errors.ts'
import type { End } from '../../exchange/body.ts'
import { outlineOf } from '../../exchange/json-text.ts'
import { MappedBody } from '../../exchange/mapped-body.ts'
import { messageOf, type ResponseMessage } from '../../exchange/message.ts'
import { peekResponse } from '../../exchange/read-response.ts'
import type { JsonReply } from '../../exchange/reply.ts'
import type { RequestId } from '../../types.ts'
import { member, parseJson } from '../../util/json.ts'
import { JsonOutline } from '../../util/json-outline.ts'
import { hasPlainKeys } from './frozen.ts'

/** What is to be held back of a long document until it is known whether it is an error, which is short, in bytes. */
const ERROR_BYTES = 64 * 1024

/** Rejects for an error that may not be relayed. */
type OnFault = (response: ResponseMessage) => Promise<void>

/**
 * The same reply, without being parsed. A client matches a response to any of its requests, and takes a request for a
 * question of the server: one that came as the answer to another method would evade the interceptors. An error, and
 * nothing else, is parsed for `onFault`. Rejects with `upstream_invalid`, or breaks the body where its first bytes have
 * been sent.
 */
export async function checkedDocument(
  reply: JsonReply,
  requestId: RequestId,
  timeoutMs: number,
  onFault?: OnFault,
): Promise<JsonReply> {
  const { body, status } = reply
  const whole = body.whole()
  if (!whole) {
    // Refused now, an error can still become the status.
    const response = onFault && (await peekResponse(reply, { maxBytes: ERROR_BYTES, timeoutMs }))
    if (response?.error) await onFault!(response)
    return { ...reply, body: new CheckedBody(reply, requestId, response ? undefined : onFault) }
  }
  const outline = new JsonOutline()
  outline.see(whole)
  const kind = kindOfDocument(outline.text, requestId, status)
  if (kind === 'foreign') throw notItsResponse()
  if (kind === 'error' && onFault) await onFault(parsedResponse(whole))
  body.unread(whole.length > 0 ? [whole] : [])
  return reply
}

/** Withholds the last chunk until the document has been checked. */
class CheckedBody extends MappedBody {
  readonly #outline = new JsonOutline()
  readonly #requestId: RequestId
  readonly #status: number
  readonly #onFault: OnFault | undefined
  #hasEmitted = false

  constructor({ body, status }: JsonReply, requestId: RequestId, onFault: OnFault | undefined) {
    super(body)
    this.#requestId = requestId
    this.#status = status
    this.#onFault = onFault
  }

  data(chunk: Buffer): boolean {
    this.#outline.see(chunk)
    this.held.push(chunk)
    while (this.held.byteLength - chunk.length > (this.#onFault ? ERROR_BYTES : 0)) this.#release(this.held.shift()!)
    return this.flows
  }

  end(end: End): void {
    const kind = end.how === 'complete' ? kindOfDocument(this.#outline.text, this.#requestId, this.#status) : 'other'
    const rest = this.held.concat()
    const finish = (): void => {
      this.#release(rest)
      this.conclude(end)
    }
    if (kind === 'foreign') return this.break(notItsResponse())
    if (kind !== 'error' || !this.#onFault) return finish()
    if (this.#hasEmitted) return this.break(notItsResponse())
    void this.#onFault(parsedResponse(rest)).then(finish, (error: unknown) => this.break(error))
  }

  #release(bytes: Buffer): void {
    this.#hasEmitted = true
    this.emit(bytes)
  }
}

function parsedResponse(bytes: Buffer): ResponseMessage {
  const text = bytes.toString()
  const message = messageOf(parseJson(text), text, 'legacy')
  if (message?.kind === 'response') return message
  throw notItsResponse()
}

/** `foreign`: it must not be relayed. Under the status of an error a server may say something that is no message. */
function kindOfDocument(
  outline: string | undefined,
  requestId: RequestId,
  status: number,
): 'result' | 'error' | 'other' | 'foreign' {
  if (outline === undefined) return 'foreign'
  if (outline === `{"jsonrpc":"2.0","id":${JSON.stringify(requestId)},"result":[]}`) return 'result'
  const keys = outline.trimStart().startsWith('{') ? outlineOf(outline, true).keys : []
  if (!hasPlainKeys(keys) || keys.includes('method')) return 'foreign'
  const hasError = keys.includes('error')
  if (!keys.includes('result') && !hasError) return status >= 300 ? 'other' : 'foreign'
  const id = member(parseJson(outline), 'id')
  if (id === requestId) return hasError ? 'error' : 'result'
  return hasError && !keys.includes('result') && (id === null || id === undefined) ? 'error' : 'foreign'
}

function notItsResponse(): GatewayError {
  return new GatewayError('upstream_invalid', 'The server answered something else than the request')
}
