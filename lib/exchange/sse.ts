/** Parses and formats server-sent events. (WHATWG HTML, 9.2) */
import { createParser } from 'eventsource-parser'
import { mayBeMessage, parseJson } from '../util/json.ts'
import { COLON, CR, LF } from '../util/ascii.ts'

const BYTE_ORDER_MARK = '\uFEFF'

/** A comment, which every client ignores. It keeps idle connections open and reveals dead ones. */
export const HEARTBEAT: Buffer = Buffer.from(':\n\n')

const BLANK_LINE = /\r\n\r\n|\n\n|\r\r|\r\n\r|\n\r\n?|\r\n\n/g

/** Splits bytes into whole events. Most stretches are a single event, which a generator would make dearer. */
export function eventsOf(stretch: Buffer): Iterable<Buffer> {
  const isOne = stretch.indexOf('\n\n') === stretch.length - 2 && stretch.indexOf(CR) === -1
  return isOne ? [stretch] : splitEvents(stretch)
}

function* splitEvents(stretch: Buffer): Generator<Buffer> {
  const text = stretch.toString('latin1')
  let start = 0
  for (const { index, 0: end } of text.matchAll(BLANK_LINE)) {
    yield stretch.subarray(start, index + end.length)
    start = index + end.length
  }
  if (start < stretch.length) yield stretch.subarray(start)
}

/**
 * The index after the first event that ends in `piece`, given the bytes before it; the piece's length when none does.
 */
export function endOfFirstEvent(before: Buffer, piece: Buffer): number {
  const front = before.subarray(-3)
  if (!front.includes(CR) && !piece.includes(CR)) {
    if (front.at(-1) === LF && piece[0] === LF) return 1
    const at = piece.indexOf('\n\n')
    return at === -1 ? piece.length : at + 2
  }
  const text = front.toString('latin1') + piece.toString('latin1')
  for (const { index, 0: end } of text.matchAll(BLANK_LINE)) {
    const at = index + end.length - front.length
    if (at > 0) return at
  }
  return piece.length
}

/** Whether any of these lines is an event id, without which a stream cannot be resumed. */
export function hasEventId(lines: Buffer): boolean {
  for (let at = lines.indexOf('id'); at !== -1; at = lines.indexOf('id', at + 1)) {
    const isField = lines[at + 2] === COLON || isLineEnd(lines[at + 2] ?? COLON)
    if (isField && (at === 0 || isLineEnd(lines[at - 1]!))) return true
  }
  return false
}

function isLineEnd(byte: number): boolean {
  return byte === LF || byte === CR
}

/** Reads the messages of an event stream, in chunks of any size. */
export interface MessageReader {
  feed(chunk: string): void
}

/** Lines for which the parser creates an Error, such as unknown fields and invalid `retry` values. */
const OTHER_LINE = /([\r\n])(?![\r\n:]|data[:\r\n]|event:|id:|$)/g

/** How many events in a row may look like JSON and fail to parse. */
const MAX_MALFORMED = 100

/**
 * Calls back with each event's data, as parsed JSON and as text; data that is not JSON is skipped. Reading stops for
 * good at an event longer than `maxChars`, and after `MAX_MALFORMED` malformed events, because each one costs an Error,
 * which is more expensive than the event.
 */
export function createMessageReader(
  onMessage: (message: unknown, text: string) => void,
  maxChars: number = Infinity,
  parse: (text: string) => unknown = parseJson,
): MessageReader {
  /** The chunks of an unfinished line. */
  let held: string[] = []
  let isFirst = true
  let unfinished = 0
  let malformed = 0
  let isOver = false
  const parser = createParser({
    onEvent: ({ data }) => {
      unfinished = 0
      if (isOver || !mayBeMessage(data)) return
      const message = parse(data)
      malformed = message === undefined ? malformed + 1 : 0
      if (malformed >= MAX_MALFORMED) isOver = true
      if (message !== undefined) onMessage(message, data)
    },
  })
  function readLines(lines: string): void {
    const text = isFirst && lines.startsWith(BYTE_ORDER_MARK) ? lines.slice(1) : lines
    isFirst = false
    // Lines that the parser would reject are turned into comments. The added line end lets the pattern match the first
    // line.
    parser.feed(`\n${text}`.replace(OTHER_LINE, '$1:').slice(1))
  }
  return {
    feed(chunk) {
      if (isOver) return
      unfinished += chunk.length
      const end = 1 + Math.max(chunk.lastIndexOf('\n'), chunk.lastIndexOf('\r'))
      if (end > 0) {
        held.push(chunk.slice(0, end))
        const lines = held.join('')
        held = []
        readLines(lines)
      }
      if (end < chunk.length) held.push(chunk.slice(end))
      isOver ||= unfinished > maxChars
      if (!isOver) return
      held = []
      parser.reset()
    },
  }
}

const ID_LINE = /(?:^|[\r\n])id(?:: ?([^\r\n]*))?(?=[\r\n])/g
const RETRY_LINE = /(?:^|[\r\n])retry: ?(\d+)(?=[\r\n])/g

/** The last event id in these bytes; empty when an empty `id:` revoked it. */
export function lastEventId(events: Buffer): string {
  return lastMatch(events, ID_LINE) ?? ''
}

/** The longest event id that is sent as a header, in bytes: servers accept 8 to 16 KiB of headers in all. */
const EVENT_ID_BYTES = 4 * 1024

/** What a header value cannot hold: control characters, and white space at either end. (RFC 9110, 5.5) */
// oxlint-disable-next-line no-control-regex
const NO_HEADER_VALUE = /[\0-\x08\x0a-\x1f\x7f]|^[\t ]|[\t ]$/

/** Whether a stream can be resumed after an event with this id. */
export function canBeResumedFrom(id: string): boolean {
  return id !== '' && !NO_HEADER_VALUE.test(id) && Buffer.byteLength(id) <= EVENT_ID_BYTES
}

/**
 * Encodes an event id as `Last-Event-ID`: UTF-8 (WHATWG HTML, 9.2.4), in which node:http writes each byte as a
 * character.
 */
export function eventIdHeader(id: string): string {
  return Buffer.from(id).toString('latin1')
}

/** The last `retry` time in events, in milliseconds. */
export function retryMsOf(events: Buffer): number | undefined {
  const found = events.includes('retry:') ? lastMatch(events, RETRY_LINE) : undefined
  return found === undefined ? undefined : Number(found)
}

function lastMatch(events: Buffer, line: RegExp): string | undefined {
  return [...events.toString().matchAll(line)].at(-1)?.[1]
}

/** Tells a client to reconnect after a second, at this node or another. */
export const RETRY: Buffer = Buffer.from('retry: 1000\n\n')

/** Formats a JSON-RPC message as an event. */
export function messageEvent(json: string): Buffer {
  return Buffer.from(`event: message\ndata: ${onOneDataLine(json)}\n\n`)
}

/** The line ends that Unicode has beside CR and LF. */
// oxlint-disable-next-line no-control-regex
const OTHER_LINE_END = /[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]/
// oxlint-disable-next-line no-control-regex
const ANY_LINE_END = /[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]/
const LINE_ENDS = new RegExp(ANY_LINE_END, 'g')

/**
 * JSON on one line, also for clients that split at any line end: these would read what follows as another event. In JSON
 * CR and LF are white space; the others stand in strings alone, where an escape says the same.
 */
function onOneDataLine(json: string): string {
  if (!ANY_LINE_END.test(json)) return json
  return json.replaceAll(LINE_ENDS, (end) =>
    end === '\n' || end === '\r' ? ' ' : `\\u${end.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** The beginning of a line that is neither a field, nor a comment, nor blank. */
const NO_FIELD = /(?:^|[\r\n])(?!(?:data|event|id|retry)(?:[:\r\n]|$)|[:\r\n]|$)/

/** Whether clients that are more lenient than the specification may read other fields in an event. */
export function isMisleading(event: string): boolean {
  return OTHER_LINE_END.test(event) || NO_FIELD.test(event)
}

/** The event without what clients could take for another field. Comments and unknown fields go with it. */
export function plainEvent({ id, event, retryMs, data }: EventFields): EventFields {
  const plain = (value: string | undefined): string | undefined =>
    value !== undefined && OTHER_LINE_END.test(value) ? undefined : value
  return { id: plain(id), event: plain(event), retryMs, data }
}

export interface EventFields {
  readonly id?: string | undefined
  readonly event?: string | undefined
  readonly retryMs?: number | undefined
  /** The data lines, joined by line feeds; empty when there are none. */
  readonly data: string
}

const LINE_END = /\r\n|\n|\r/

/** Parses the fields of one event. */
export function parseEvent(text: string): EventFields {
  let id: string | undefined
  let event: string | undefined
  let retryMs: number | undefined
  const data: string[] = []
  const stream = text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text
  for (const line of stream.split(LINE_END)) {
    if (line === '' || line.startsWith(':')) continue
    const [name, value] = fieldOf(line)
    if (name === 'id') id = value
    else if (name === 'event') event = value
    else if (name === 'data') data.push(value)
    else if (name === 'retry') retryMs = /^\d+$/.test(value) ? Number(value) : retryMs
  }
  return { id, event, retryMs, data: data.join('\n') }
}

/** Splits a line into field name and value. */
export function fieldOf(line: string): [name: string, value: string] {
  const colon = line.indexOf(':')
  if (colon === -1) return [line, '']
  return [line.slice(0, colon), line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)]
}

export function formatEvent({ id, event, retryMs, data }: EventFields): Buffer {
  const lines = [
    ...(id === undefined ? [] : [`id: ${id}`]),
    ...(event === undefined ? [] : [`event: ${event}`]),
    ...(retryMs === undefined ? [] : [`retry: ${retryMs}`]),
    ...data.split(LINE_END).map((line) => `data: ${onOneDataLine(line)}`),
  ]
  return Buffer.from(`${lines.join('\n')}\n\n`)
}
