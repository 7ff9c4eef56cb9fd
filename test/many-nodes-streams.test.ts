// Streams over two gateways in processes of their own, with events in Redis: one is killed, one is replaced, and each
// message still reaches its client once.
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { z } from 'zod'
import { connectSdkV1, connectSdkV2, textOf, type TestClient } from './support/clients.ts'
import { startCluster, type Cluster } from './support/cluster.ts'
import { createJournal } from './support/journal.ts'
import { MemoryEventStore } from './support/memory-event-store.ts'
import { callPatiently, type Harvest } from './support/patient-client.ts'
import { describeRedis, startRedis, type RunningRedis } from './support/redis.ts'
import { initialize, openStream, type OpenStream, type Session } from './support/rpc.ts'
import { serveSessions, type OpenSession, type RunningServer } from './support/sessions.ts'
import { startUpstream, type Exchange, type RpcMessage, type Upstream } from './support/upstream.ts'

const call = { jsonrpc: '2.0', id: 'call-1', method: 'tools/call', params: { name: 'slow' } }
const progress = (step: number): RpcMessage => ({
  jsonrpc: '2.0',
  method: 'notifications/progress',
  params: { step },
})
const answer: RpcMessage = { jsonrpc: '2.0', id: 'call-1', result: { content: [] } }
const ann = { authorization: 'Bearer ann' }

/** A client that comes back to another URL once somebody has told it to. */
interface Mover {
  readonly session: Session
  readonly harvest: Promise<Harvest>
  readonly asked: Exchange
  /** Resolves when it has this. */
  has(bytes: string): Promise<void>
  /** Drops its connection. */
  drop(): void
}

describeRedis('with events in Redis', () => {
  let redis: RunningRedis
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.close())

  describe('a node that is killed', () => {
    let upstream: Upstream
    let cluster: Cluster
    beforeAll(async () => {
      upstream = await startUpstream()
      upstream.on('tools/call', () => {})
      const servers = { raw: { url: upstream.url } }
      cluster = await startCluster({ servers, redis: redis.path, events: true, graceMs: 300 })
    })
    afterAll(async () => {
      await cluster.close()
      await upstream.close()
    })

    /** A call at node 0 whose client has one message and comes back at node 1. */
    async function begin(upstreamId?: string): Promise<Mover> {
      const session = await initialize(cluster.url('raw', 0), { headers: ann })
      const url = (): string => cluster.url('raw', 1)
      const clients: OpenStream[] = []
      const harvest = callPatiently(session, call, {
        url,
        retryMs: 100,
        hangMs: 50_000,
        onOpen: (client) => clients.push(client),
      })
      // It is awaited in the end; a test that fails before that has said why.
      harvest.catch(() => {})
      const asked = await upstream.nextRequest('tools/call')
      await asked.stream().write('retry: 1\n\n')
      await asked.stream().send(progress(1), upstreamId === undefined ? {} : { id: upstreamId })
      const mover: Mover = {
        session,
        harvest,
        asked,
        async has(bytes) {
          while (!clients.some((client) => client.bytes().includes(bytes))) await sleep(5)
        },
        drop: () => clients.at(-1)!.close(),
      }
      await mover.has('"step":1')
      return mover
    }

    /** One without an id is the gateway's own, by which it listens early: where all is slow, it comes after `initialized`. */
    async function nextResumption(): Promise<Exchange> {
      for (;;) {
        const get = await upstream.nextRequest('GET')
        if (get.headers['last-event-id'] !== undefined) return get
      }
    }

    test('costs its clients nothing that can be had again, and leaves none of them without a word (SE7, ER14)', async () => {
      upstream.on('GET', (exchange) => void exchange.stream())
      const listener = await initialize(cluster.url('raw', 0), { headers: ann })
      const listening = await openStream(listener.url, { headers: listener.headers })
      const heard = await upstream.nextRequest('GET')
      await heard.stream().send(progress(7), { id: 'u-7' })
      const { id: primed } = await listening.next()
      const { id: last } = await listening.next()
      expect(primed).not.toBe(last)
      const [resumable, plain, moved] = [await begin('u-1'), await begin(), await begin('u-3')]
      // One has moved before: what the first node writes reaches it by the second.
      moved.drop()
      await moved.asked.stream().send(progress(2), { id: 'u-4' })
      await moved.has('"step":2')

      const killedAt = performance.now()
      await cluster.nodes[0]!.kill()
      await listening.over
      const hearing = openStream(cluster.url('raw', 1), { headers: { ...listener.headers, 'last-event-id': last } })

      // The server is asked for the rest of what it can give again, each where it had come to.
      const rest = new Map<unknown, Exchange>()
      while (rest.size < 3) {
        const get = await nextResumption()
        rest.set(get.headers['last-event-id'], get)
      }
      expect(new Set(rest.keys())).toEqual(new Set(['u-1', 'u-4', 'u-7']))
      for (const upstreamId of ['u-1', 'u-4']) {
        const stream = rest.get(upstreamId)!.stream()
        await stream.send(progress(3), { id: `${upstreamId}-b` })
        await stream.send(answer, { id: `${upstreamId}-c` })
      }
      await rest.get('u-7')!.stream().send(progress(8), { id: 'u-8' })

      expect((await resumable.harvest).messages).toEqual([progress(1), progress(3), answer])
      expect((await moved.harvest).messages).toEqual([progress(1), progress(2), progress(3), answer])
      const failed = { id: 'call-1', error: { code: 502 } }
      expect((await plain.harvest).messages).toMatchObject([progress(1), failed])
      const again = await hearing
      expect(again.status).toBe(200)
      expect(await again.nextMessage()).toEqual(progress(8))
      again.close()
      for (const { harvest } of [resumable, plain, moved]) {
        const { ids } = await harvest
        expect(new Set(ids).size).toBe(ids.length)
      }
      expect(performance.now() - killedAt).toBeLessThan(45_000)
    })

    test('is not waited for when it has ended in order: another goes on at once', async () => {
      await cluster.restart(0, 'kill')
      const { harvest, asked } = await begin('v-1')
      await cluster.restart(0, 'close')
      const closedAt = performance.now()
      const get = await nextResumption()
      expect(get.headers['last-event-id']).toBe('v-1')
      await get.stream().send(answer, { id: 'v-2' })
      expect((await harvest).messages).toEqual([progress(1), answer])
      expect(await asked.over).toBe('cut')
      expect(performance.now() - closedAt).toBeLessThan(10_000)
    })

    test('leaves a listener at its new node, though the old one still holds the stream (SE10)', async () => {
      const session = await initialize(cluster.url('raw', 0), { headers: ann })
      const before = await session.listen()
      const heard = await upstream.nextRequest('GET')
      await heard.stream().send(progress(1))
      await before.next()
      const { id } = await before.next()
      before.close()
      await before.over
      await heard.stream().send(progress(2))
      const headers = { ...session.headers, 'last-event-id': id }
      const after = await openStream(cluster.url('raw', 1), { headers })
      expect(await after.nextMessage()).toEqual(progress(2))
      await heard.stream().send(progress(3))
      expect(await after.nextMessage()).toEqual(progress(3))
      const anew = await openStream(cluster.url('raw', 1), { headers: session.headers })
      // It gets an id at once, and misses nothing from then on.
      const primed = await anew.next()
      anew.close()
      await anew.over
      await heard.stream().send(progress(4))
      const back = await openStream(cluster.url('raw', 1), {
        headers: { ...session.headers, 'last-event-id': primed.id },
      })
      expect(await back.nextMessage()).toEqual(progress(4))
      after.close()
      back.close()
    })
  })

  describe('a rolling restart under load', () => {
    /** Calls that last longer than the grace are cut, and go on at the other node where the server can send again. */
    const GRACE_MS = 1_200
    let resumes = 0
    let plain: RunningServer
    let resumable: RunningServer
    let cluster: Cluster

    /** Its one tool tells each step, and says in the end how many there were. */
    function startServer(isResumable: boolean): Promise<RunningServer> {
      const open: OpenSession = async (_, opened) => {
        const transport = new StreamableHTTPServerTransport({
          sessionIdGenerator: () => randomUUID(),
          onsessioninitialized: opened,
          ...(isResumable && { eventStore: new MemoryEventStore(), retryInterval: 50 }),
        })
        const mcp = new McpServer({ name: 'steps', version: '1.0.0' })
        mcp.registerTool('step', { inputSchema: { to: z.number(), ms: z.number() } }, async ({ to, ms }, extra) => {
          const progressToken = extra._meta?.progressToken
          for (let step = 1; step <= to; step += 1) {
            await new Promise((resolve) => void setTimeout(resolve, ms))
            await extra.sendNotification({
              method: 'notifications/progress',
              params: { progressToken: progressToken!, progress: step },
            })
          }
          return { content: [{ type: 'text', text: `${to} steps` }] } satisfies CallToolResult
        })
        await mcp.connect(transport)
        return transport
      }
      return serveSessions(open, ({ headers }) => {
        if ('last-event-id' in headers) resumes += 1
        return Promise.resolve(false)
      })
    }

    beforeAll(async () => {
      ;[plain, resumable] = await Promise.all([startServer(false), startServer(true)])
      const servers = { plain: { url: plain.url }, resumable: { url: resumable.url } }
      cluster = await startCluster({ servers, redis: redis.path, events: true, graceMs: GRACE_MS })
    })
    afterAll(async () => {
      await cluster.close()
      await Promise.all([plain.close(), resumable.close()])
    })

    interface Work {
      readonly client: TestClient
      readonly to: number
      readonly ms: number
    }

    /** A call that arrives in the moment in which its node begins to close is refused, not lost: it is made again. */
    function unlessClosing(error: Error): undefined {
      if (error.message.includes('The gateway is shutting down')) return undefined
      throw error
    }

    const answered = createJournal<number>()

    /** Calls again and again, and checks the steps and the answer of each call. */
    async function work({ client, to, ms }: Work, isOver: () => boolean): Promise<number> {
      let calls = 0
      while (!isOver()) {
        const steps: number[] = []
        const onprogress = ({ progress: step }: { progress: number }): void => void steps.push(step)
        const result = await client.call('step', { to, ms }, { onprogress }).catch(unlessClosing)
        const count = result === undefined ? 0 : to
        expect(steps).toEqual(Array.from({ length: count }, (_, index) => index + 1))
        if (result === undefined) continue
        expect(textOf(result)).toBe(`${to} steps`)
        calls += 1
        answered.record(to)
      }
      return calls
    }

    async function severalAnswers(): Promise<void> {
      const before = answered.entries.length
      while (answered.entries.length < before + 8) await answered.next()
    }

    test('loses no step and no answer, and brings none twice (SE2, SE7)', async () => {
      const connect = [connectSdkV1, connectSdkV2, connectSdkV1, connectSdkV2]
      const short = await Promise.all(connect.map((open) => open(cluster.url('plain'), { headers: ann })))
      const long = await Promise.all(connect.map((open) => open(cluster.url('resumable'), { headers: ann })))
      let isOver = false
      const working = Promise.all([
        ...short.map((client) => work({ client, to: 6, ms: 50 }, () => isOver)),
        ...long.map((client) => work({ client, to: 12, ms: 200 }, () => isOver)),
      ])
      try {
        for (const node of [0, 1]) {
          await Promise.race([severalAnswers(), working])
          await cluster.restart(node, 'close')
        }
        isOver = true
        const calls = await working
        expect(Math.min(...calls)).toBeGreaterThan(0)
        expect(resumes).toBeGreaterThan(0)
      } finally {
        isOver = true
        await Promise.all([...short, ...long].map((client) => client.close()))
      }
      expect(cluster.nodes.flatMap(({ errors }) => errors)).toEqual([])
    })
  })
})
