// Answers that were complete when they arrived: logged at once, without a lease, and resumed like any other. (SE2, SE6, SE7)
import { MemoryEventLog, type Awaitable, type LoggedEvent } from '../../../lib/index.ts'
import { initialize, type OpenStream, type Session } from '../../support/rpc.ts'
import type { RpcMessage } from '../../support/upstream.ts'
import { answer, call, closeAfterEach, gateway, progress, rest, resume, setUp, upstream } from './setup.ts'

type Append = (usual: () => boolean) => Awaitable<boolean>

/** Counts what it is asked, and appends as a test says. */
class WatchedLog extends MemoryEventLog {
  readonly appended: LoggedEvent[][] = []
  claims = 0
  how: Append = (usual) => usual()

  // @ts-expect-error A log may answer with a promise; the one in memory does not.
  override append(...[name, events]: Parameters<MemoryEventLog['append']>): Awaitable<boolean> {
    this.appended.push([...events])
    return this.how(() => super.append(name, events))
  }

  override claim(...args: Parameters<MemoryEventLog['claim']>): boolean {
    this.claims += 1
    return super.claim(...args)
  }
}

const fails: Append = () => {
  throw new Error('the log is full')
}
const rejects: Append = () => Promise.reject(new Error('the log is away'))
const answersLater: Append = (usual) => new Promise((resolve) => void setImmediate(() => resolve(usual())))

let log: WatchedLog
let session: Session

/** An upstream that writes its whole answer at once. */
async function begin(events: string, how: Append = (usual) => usual()): Promise<void> {
  log = new WatchedLog()
  await setUp(log)
  upstream.on('tools/call', ({ res }) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' }).end(events)
  })
  session = await initialize(gateway.url('a'))
  log.how = how
  log.appended.length = 0
  log.claims = 0
}

const event = (message: RpcMessage): string => `id: of the server\nevent: message\ndata: ${JSON.stringify(message)}\n\n`

async function read(client: OpenStream): Promise<Array<{ id: string | undefined; message: unknown }>> {
  await client.over
  const all = []
  for (;;) {
    const next = await client.next().catch(() => undefined)
    if (!next) return all
    all.push({ id: next.id, message: next.data === '' ? undefined : (JSON.parse(next.data) as unknown) })
  }
}

closeAfterEach()

test.each([
  ['at once', undefined],
  ['a turn later', answersLater],
])('it is appended in one go by a log that answers %s, and needs no lease', async (_, how) => {
  await begin(event(progress(1)) + event(answer), how)
  const seen = await read(await session.stream(call))
  expect(seen.map(({ message }) => message)).toEqual([undefined, progress(1), answer])
  const [stream] = seen[0]!.id!.split('.')
  expect(seen.map(({ id }) => id)).toEqual([1, 2, 3].map((position) => `${stream}.${position}`))
  expect(log.appended.map((events) => events.map(({ position }) => position))).toEqual([[2, 3]])
  expect(log.claims).toBe(0)
})

test('a client that lost it comes back after any event for the rest, and once it has all for the end', async () => {
  await begin(event(progress(1)) + event(answer))
  const ids = (await read(await session.stream(call))).map(({ id }) => id!)
  expect(await rest(await resume(session, ids[0]!))).toEqual([progress(1), answer])
  expect(await rest(await resume(session, ids[1]!))).toEqual([answer])
  log.appended.length = 0
  const last = await resume(session, ids[2]!)
  expect([last.status, await rest(last)]).toEqual([200, []])
  expect(log.claims).toBe(0)
})

test('retry fields and comments are no events of the log', async () => {
  await begin(`: hello\n\nretry: 1234\n\n${event(answer)}: bye\n\n`)
  const client = await session.stream(call)
  expect(await rest(client)).toEqual([answer])
  expect(client.bytes().toString()).toContain('retry: 1234\n\n')
  expect(log.appended.flat().map(({ position }) => position)).toEqual([2])
})

test.each([
  ['throws', fails],
  ['rejects', rejects],
])('the client has its answer from a log that %s, and is told when it comes back that it is gone', async (_, how) => {
  await begin(event(progress(1)) + event(answer), how)
  const seen = await read(await session.stream(call))
  expect(seen.map(({ message }) => message)).toEqual([undefined, progress(1), answer])
  expect(gateway.reported.entries).toHaveLength(1)
  log.how = (usual) => usual()
  const back = await resume(session, seen[0]!.id!)
  // Either nothing of the stream is known, or that something is missing is.
  if (back.status === 200) expect(await rest(back)).toMatchObject([{ id: 'call-1', error: { code: 400 } }])
  else expect(back.status).toBe(400)
})

test('responses of a batch are counted one by one', async () => {
  const batch = [1, 2].map((id) => ({ jsonrpc: '2.0', id, method: 'tools/list', params: {} }))
  log = new WatchedLog()
  await setUp(log)
  const answers = [1, 2].map((id) => ({ jsonrpc: '2.0', id, result: {} }))
  upstream.on('batch', ({ res }) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' }).end(answers.map(event).join(''))
  })
  session = await initialize(gateway.url('a'), { version: '2025-03-26' })
  log.appended.length = 0
  expect(await rest(await session.stream(batch))).toEqual(answers)
  expect(log.appended.flat().map(({ text }) => JSON.parse(text) as object)).toMatchObject([
    { owed: [2], asked: [1, 2] },
    { owed: [], asked: [1, 2], over: true },
  ])
})
