// Bytes over a socket, for requests that no HTTP client would send: without their body, in chunks, broken off.
import { connect, type Socket } from 'node:net'

export interface WireAnswer {
  readonly status: number
  /** By lower-case name; of several of one name the last. */
  readonly headers: Record<string, string>
  readonly body: string
}

export interface Wire {
  readonly socket: Socket
  /** Everything the server says until it closes the connection. */
  readonly answer: Promise<WireAnswer>
}

/** Connects to an origin and writes `bytes` as they are. */
export function wire(origin: string, bytes: string | Buffer): Wire {
  const { hostname, port } = new URL(origin)
  const socket = connect(Number(port), hostname)
  const answer = new Promise<WireAnswer>((resolve, reject) => {
    const chunks: Buffer[] = []
    socket.on('data', (bytesRead: Buffer) => void chunks.push(bytesRead))
    socket.once('error', reject)
    socket.once('end', () => resolve(parse(Buffer.concat(chunks).toString())))
  })
  // Whoever cuts the socket does not wait for an answer.
  answer.catch(() => {})
  socket.write(bytes)
  return { socket, answer }
}

/** The head of a POST, with or without a length. */
export function head(url: string, headers: Record<string, string | number>): string {
  const { host, pathname } = new URL(url)
  const all = {
    host,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    connection: 'close',
    ...headers,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `POST ${pathname} HTTP/1.1\r\n${lines.join('')}\r\n`
}

export function chunk(bytes: string): string {
  return `${Buffer.byteLength(bytes).toString(16)}\r\n${bytes}\r\n`
}

function parse(answer: string): WireAnswer {
  const end = answer.indexOf('\r\n\r\n')
  const [first = '', ...lines] = answer.slice(0, end).split('\r\n')
  const headers = lines.map((line) => [
    line.slice(0, line.indexOf(':')).toLowerCase(),
    line.slice(line.indexOf(':') + 2),
  ])
  return {
    status: Number(first.split(' ')[1]),
    headers: Object.fromEntries(headers) as Record<string, string>,
    body: answer.slice(end + 4),
  }
}
