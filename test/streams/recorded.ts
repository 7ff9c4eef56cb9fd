// A recorded stream of an upstream, and an upstream that plays it: from its start, or from after any event id.
import type { Exchange, Upstream } from '../support/upstream.ts'

/** Whole events, byte for byte, the answers among them. */
export type Recording = readonly string[]

/** How recordings differ; what they say is the same. */
export interface Shape {
  readonly ids: boolean
  readonly lineEnd: '\n' | '\r\n' | '\r'
}

/** Priming, a notification over two lines, one with characters of two to four bytes, and an answer for each id. */
export function record({ ids, lineEnd }: Shape, waiting: ReadonlyArray<string | number> = ['call-1']): Recording {
  const event = (position: number, ...rest: string[]): string =>
    [...(ids ? [`id: s-${position}`] : []), ...rest, ''].map((line) => line + lineEnd).join('')
  const note = '{"jsonrpc":"2.0","method":"notifications/message",'
  const answer = (id: string | number): string => `data: {"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{}}`
  return [
    event(0, 'retry: 1', 'data: '),
    event(1, `data: ${note}`, 'data: "params":{"n":1}}'),
    event(2, `data: ${note}"params":{"text":"ü€𝄞"}}`),
    ...waiting.map((id, index) => event(index + 3, 'event: message', answer(id))),
  ]
}

const EVENT_ID = /(?:^|[\r\n])id: ?([^\r\n]*)/

/** Answers calls with the recording, on GET goes on after the event that is named: each on a connection of its own. */
export function play(upstream: Upstream, recording: Recording): void {
  const send = ({ res }: Exchange, from: number): void => {
    res.sendDate = false
    res.writeHead(200, { 'content-type': 'text/event-stream', connection: 'close' })
    res.end(recording.slice(from).join(''))
  }
  for (const kind of ['tools/call', 'batch']) upstream.on(kind, (exchange) => send(exchange, 0))
  upstream.on('GET', (exchange) => {
    const at = recording.findIndex((event) => EVENT_ID.exec(event)?.[1] === exchange.headers['last-event-id'])
    if (at === -1) return exchange.status(400)
    send(exchange, at + 1)
  })
}

/** Where a cut came between CR and LF the client may miss the LF, which means nothing: line ends do not count. */
export function plain(bytes: Buffer | string): string {
  return bytes.toString().replaceAll(/\r\n?/g, '\n')
}

/** How many whole events of a recording there are in its first bytes. */
export function countWhole(recording: Recording, beginning: Buffer): number {
  const { length } = plain(beginning.toString('latin1'))
  let end = 0
  let count = 0
  for (const event of recording) {
    end += Buffer.byteLength(plain(event))
    if (end <= length) count += 1
  }
  return count
}
