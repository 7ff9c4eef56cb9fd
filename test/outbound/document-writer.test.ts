// Long documents: every byte arrives, however slowly it is read, and memory is freed only where nobody else has it.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { MessagePort } from 'node:worker_threads'
import { jest } from '@jest/globals'
import compression from 'compression'
import express from 'express'
import { createExpressServer, type Gateway, mcpGateway } from '../../lib/index.ts'
import { startGateway } from '../support/gateway.ts'
import { listen } from '../support/listen.ts'
import { closeUsed, use } from '../support/use.ts'

const LENGTH = 1_500_000
const OTHER_BYTES = Buffer.alloc(LENGTH, 'abcdefghijklmnopqrstuvwxyz0123456789')
const DOCUMENT = Buffer.from(
  `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"${OTHER_BYTES.toString()}"}]}}`,
)
const CALL = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'big' } })
const HEADERS = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }

afterEach(closeUsed)
afterEach(() => void jest.restoreAllMocks())

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** Counts the chunks whose memory is freed. */
function freed(): { readonly count: () => number } {
  const prototype = Object.getPrototypeOf(Buffer.alloc(1).buffer) as { transfer?: (bytes: number) => ArrayBuffer }
  const spy = prototype.transfer
    ? jest.spyOn(prototype as Required<typeof prototype>, 'transfer')
    : jest.spyOn(MessagePort.prototype, 'postMessage')
  return { count: () => spy.mock.calls.length }
}

/** The origin of a server that answers every call with the document. */
async function upstreamUrl(): Promise<string> {
  const upstream = await use(
    listen((request, response) => {
      request.resume().on('end', () => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': DOCUMENT.length })
        response.end(DOCUMENT)
      })
    }),
  )
  return `${upstream.origin}/mcp`
}

async function gatewayUrl(wrap: (response: ServerResponse) => void = () => {}, options: object = {}): Promise<string> {
  const mount = (handler: Gateway): RequestListener => {
    return (request, response) => {
      wrap(response)
      handler(request, response)
    }
  }
  const servers = { a: { url: await upstreamUrl() } }
  const gateway = await use(startGateway({ servers, ...options }, { prefix: '', mount }))
  return gateway.url('a')
}

async function read(url: string, pause: (answer: IncomingMessage) => void = () => {}): Promise<Buffer> {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    http.request(url, { method: 'POST', headers: HEADERS }, resolve).on('error', reject).end(CALL)
  })
  const chunks: Buffer[] = []
  answer.on('data', (chunk: Buffer) => {
    chunks.push(Buffer.from(chunk))
    pause(answer)
  })
  await new Promise((resolve) => answer.once('end', resolve))
  return Buffer.concat(chunks)
}

test('every byte arrives of many at once, at readers quick and slow, and what is written is freed', async () => {
  const url = await gatewayUrl()
  const memory = freed()
  const slow = (answer: IncomingMessage): void => {
    answer.pause()
    setImmediate(() => setImmediate(() => answer.resume()))
  }
  const documents = await Promise.all([read(url), read(url, slow), read(url), read(url, slow)])
  for (const each of documents) expect(digest(each)).toBe(digest(DOCUMENT))
  expect(memory.count()).toBeGreaterThan(10)
})

test('what middleware keeps of a response it has wrapped stays as it was', async () => {
  const kept: Buffer[] = []
  const url = await gatewayUrl((response) => {
    const { write } = response
    response.write = ((chunk: Buffer, onWritten: () => void) => {
      kept.push(chunk)
      return write.call(response, chunk, 'utf8', onWritten)
    }) as typeof write
  })
  const memory = freed()
  expect(digest(await read(url))).toBe(digest(DOCUMENT))
  expect(digest(Buffer.concat(kept))).toBe(digest(DOCUMENT))
  expect(memory.count()).toBe(0)
})

test('an interceptor and the audit read a document that no memory of is freed', async () => {
  const seen: unknown[] = []
  const intercept = {
    'tools/call': async (_message: unknown, next: () => Promise<unknown>) => {
      const result = await next()
      seen.push(result)
      return result
    },
  }
  const url = await gatewayUrl(undefined, { intercept, audit: () => {} })
  expect(digest(await read(url))).toBe(digest(DOCUMENT))
  expect(JSON.stringify(seen[0])).toContain(OTHER_BYTES.toString())
})

test.each([true, false])(
  'every byte arrives behind createExpressServer(), with compression(): %s',
  async (compresses) => {
    const memory = freed()
    const app = express()
    if (compresses) app.use(compression())
    const gateway = mcpGateway({ servers: { a: { url: await upstreamUrl() } }, authenticate: false })
    const server = createExpressServer(app.use(gateway)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/a/mcp`
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => fetch(url, { method: 'POST', headers: HEADERS, body: CALL })),
    )
    for (const answer of answers) {
      expect(answer.headers.get('content-encoding') !== null).toBe(compresses)
      expect(digest(Buffer.from(await answer.arrayBuffer()))).toBe(digest(DOCUMENT))
    }
    if (compresses) expect(memory.count()).toBe(0)
    else expect(memory.count()).toBeGreaterThan(0)
    server.close()
    server.closeAllConnections()
    await gateway.close()
  },
)
