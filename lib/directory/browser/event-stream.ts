/** Reads the event stream of a response. (HTML, 9.2.6) */

/** Where a stream ended: what it can be resumed with. */
export interface StreamEnd {
  /** The id of its last event; `undefined` if the stream cannot be resumed. */
  readonly lastEventId: string | undefined
  /** How long the server wants the client to wait before it comes again, in milliseconds. */
  readonly retryMs: number
}

/** The longest event, in characters. */
const MAX_EVENT = 32 * 1024 * 1024

const DEFAULT_RETRY_MS = 1_000
const LONGEST_RETRY_MS = 30_000

/** Resolves at the end of the stream; rejects where it breaks, or an event is too long. */
export async function readEvents(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  onData: (data: string) => void,
): Promise<StreamEnd> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let lastEventId: string | undefined
  let retryMs = DEFAULT_RETRY_MS
  let data: string[] = []
  /** The characters of the event so far. */
  let size = 0
  const line = (text: string): void => {
    if (text === '') {
      if (data.length > 0) onData(data.join('\n'))
      data = []
      size = 0
      return
    }
    size += text.length
    const [, field, value] = /^([^:]*)(?:: ?)?([^]*)$/.exec(text)!
    if (field === 'data') data.push(value!)
    else if (field === 'id') lastEventId = value === '' ? undefined : value
    else if (field === 'retry' && /^\d+$/.test(value!)) retryMs = Math.min(Number(value), LONGEST_RETRY_MS)
  }
  // A long line comes in many chunks, which are joined when it ends.
  let pending: string[] = []
  let length = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) {
      if (pending[0] === '\r') line('')
      return { lastEventId, retryMs }
    }
    pending.push(value)
    length += value.length
    if (size + length > MAX_EVENT) throw new Error('The server sent an event that is too long')
    if (!/[\r\n]/.test(value) && pending[0]?.endsWith('\r') !== true) continue
    // A CR at the end of a chunk may be the first half of a CRLF.
    const lines = pending.join('').split(/\r\n|\n|\r(?!$)/)
    const rest = lines.pop()!
    for (const text of lines) line(text)
    pending = [rest]
    length = rest.length
  }
}
