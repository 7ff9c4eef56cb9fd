// The layers without sockets: an upstream in memory, a chain of real layers, a session, and clients that keep what they get.
import type { ServerResponse } from 'node:http'
import { GatewayError } from '../../lib/errors.ts'
import { type ClientSession, Exchange, type ExchangeParts, Origin } from '../../lib/exchange/exchange.ts'
import { sendIn } from '../../lib/exchange/observed.ts'
import { InFlight } from '../../lib/exchange/in-flight.ts'
import type { Layer } from '../../lib/exchange/layer.ts'
import { Lifetime } from '../../lib/exchange/lifetime.ts'
import { type Message, messageOf, type RequestMessage, requestOf } from '../../lib/exchange/message.ts'
import { AskToConnect } from '../../lib/layers/ask-to-connect/ask-to-connect.ts'
import { Authorize } from '../../lib/layers/authorize.ts'
import { Bridge } from '../../lib/layers/bridge/bridge.ts'
import { Cache } from '../../lib/layers/cache/cache.ts'
import { CancelOnStop } from '../../lib/layers/cancel-on-stop.ts'
import { EventLogLayer } from '../../lib/layers/event-log/event-log-layer.ts'
import { interceptorsOf } from '../../lib/layers/interceptors/interceptor-set.ts'
import { Interceptors } from '../../lib/layers/interceptors/interceptors.ts'
import { KeptAnswers } from '../../lib/layers/interceptors/questions.ts'
import { OpenSession } from '../../lib/layers/open-session.ts'
import { RecoverSession } from '../../lib/layers/recover-session.ts'
import { ResumeUpstream } from '../../lib/layers/resume-upstream.ts'
import { SplitBatch } from '../../lib/layers/split-batch.ts'
import type { InboundRequest } from '../../lib/inbound/inbound-request.ts'
import type { InboundObservation } from '../../lib/observe/inbound-observation.ts'
import { Observers } from '../../lib/observe/observers.ts'
import { AnswerWriter } from '../../lib/outbound/answer-writer.ts'
import { Dispatcher } from '../../lib/outbound/dispatch.ts'
import { Heartbeat } from '../../lib/outbound/heartbeat.ts'
import { type Door, Pipeline } from '../../lib/pipeline.ts'
import { AccessMonitor } from '../../lib/session/access-monitor.ts'
import { expired } from '../../lib/session/expiry.ts'
import { SessionHabits } from '../../lib/session/session-habits.ts'
import { Sessions } from '../../lib/session/sessions.ts'
import { UpstreamSessions } from '../../lib/session/upstream-session.ts'
import { MemoryEventLog } from '../../lib/stores/memory-event-log.ts'
import { MemorySessionStore } from '../../lib/stores/memory-session-store.ts'
import type {
  AuditRecord,
  ClientState,
  EventLog,
  Interceptor,
  Principal,
  ServerConfig,
  SessionStore,
} from '../../lib/types.ts'
import { Eras } from '../../lib/upstream/eras.ts'
import { createJournal, type Journal } from './journal.ts'
import { MemoryClient } from './memory-client.ts'
import { MemoryUpstream } from './memory-upstream.ts'
import { envelope } from './modern.ts'

/** The layers in the pipeline's order, each with its door; pipeline.test.ts holds them against the gateway's own list. */
export const LAYERS = {
  open: 'client',
  log: 'client',
  said: 'gateway',
  split: 'gateway',
  intercept: 'gateway',
  interceptServer: 'member',
  sent: 'member',
  askToConnect: 'member',
  bridge: 'farewell',
  cache: 'farewell',
  recover: 'farewell',
  resume: 'farewell',
  cancel: 'farewell',
} as const satisfies Readonly<Record<string, Door>>

export type LayerName = keyof typeof LAYERS

export interface FixtureOptions {
  /** Defaults to all. */
  readonly layers?: readonly LayerName[]
  readonly config?: Partial<ServerConfig>
  readonly principal?: Principal
  readonly store?: SessionStore
  readonly eventLog?: EventLog
  readonly keys?: readonly string[]
  /** The upstream of several nodes. */
  readonly upstream?: MemoryUpstream
  /** The interceptors of the gateway; none by default. Those of the server are in `config`. */
  readonly intercept?: Interceptor | readonly Interceptor[] | undefined
  /** Is told of each message, as the option of that name is. */
  readonly audit?: ((record: AuditRecord) => void) | undefined
  /** Layers beside the real ones, innermost. */
  readonly inner?: readonly Layer[]
}

type ExchangeOptions = Partial<Omit<ExchangeParts, 'origin'>> & {
  readonly session?: ClientSession
  readonly response?: ServerResponse
  readonly accepts?: { readonly json: boolean; readonly events: boolean }
  readonly door?: Door
  readonly observed?: InboundObservation | undefined
  /** Who sends it, where that is not the principal of the fixture. */
  readonly as?: Principal
}

const SERVER = 'weather'
const VERSION = '2025-11-25'

export type Fixture = ReturnType<typeof fixture>

export function fixture({
  layers = Object.keys(LAYERS) as LayerName[],
  config: given,
  principal,
  store = new MemorySessionStore(),
  eventLog = new MemoryEventLog(),
  intercept,
  inner = [],
  audit,
  keys,
  upstream = new MemoryUpstream(),
}: FixtureOptions = {}) {
  const reported: Journal<GatewayError> = createJournal()
  const config = { url: 'http://memory.test/mcp', recover: layers.includes('recover'), ...given } as ServerConfig
  const report = (error: unknown): void => reported.record(error as GatewayError)
  const inFlight = new InFlight()
  const upstreamSessions = new UpstreamSessions((each) => pipeline.handleOf(each, 'farewell'), report)
  const sessions = new Sessions(store, inFlight, (id, record) => upstreamSessions.expired(id, record.upstream))
  const observers = new Observers({ audit, telemetry: undefined }, report)
  const { attempt } = observers
  const sending = attempt && { send: { value: (sent: Exchange) => sendIn(attempt(sent), upstream.send) } }
  const observed = sending ? (Object.create(upstream, sending) as MemoryUpstream) : upstream
  const upstreamOf = (): MemoryUpstream => observed
  const eras = new Eras()
  const intercepting = { upstreamOf, timeoutMs: 0, report, kept: new KeptAnswers(keys) }
  const askToConnect = new AskToConnect({ upstreamOf, keys, report })
  const log = new EventLogLayer(eventLog, { report, inFlight })
  const made: Readonly<Record<LayerName, Layer>> = {
    open: new OpenSession({
      sessions,
      sessionHabits: new SessionHabits(),
      upstreamSessions,
      alwaysSessions: layers.includes('log'),
      report,
    }),
    log,
    said: new Authorize('said', []),
    sent: new Authorize('sent', []),
    askToConnect,
    intercept: new Interceptors('gateway', interceptorsOf(intercept), intercepting),
    interceptServer: new Interceptors('server', undefined, intercepting),
    split: new SplitBatch({ of: () => true, for: () => true }),
    bridge: new Bridge({
      eras,
      upstreamOf,
      sessionsAreShared: sessions.areShared,
      mailbox: layers.includes('log') ? log.mailbox : undefined,
      responseMs: 0,
      keys,
      inFlight,
      endSession: (state, context) => upstreamSessions.enqueue(state, context),
      track: (work) => void upstreamSessions.track(work),
      report,
    }),
    cache: new Cache(upstreamOf, 1024 * 1024),
    recover: new RecoverSession(),
    resume: new ResumeUpstream(),
    cancel: new CancelOnStop({ upstreamOf, track: (work) => upstreamSessions.track(work), report }),
  }
  const places = (Object.keys(LAYERS) as LayerName[])
    .filter((name) => layers.includes(name))
    .map((name) => [LAYERS[name], made[name]] as const)
  const pipeline = new Pipeline([...places, ...inner.map((layer) => ['farewell', layer] as const)], upstreamOf)
  const lookup = (): ServerConfig => config
  const parts = { inFlight, sessions, upstreamSessions, lookup, report, recheckMs: 60_000 }
  const accessMonitor = new AccessMonitor(parts)
  async function forget(sessionId: string): Promise<void> {
    upstreamSessions.forget(sessionId)
    await sessions.end(sessionId)
    await log.forget(sessionId)
  }
  const writing = { heartbeat: new Heartbeat(), stallMs: 60_000 }
  const answers = new AnswerWriter({ ...writing, report: () => {} })
  const dispatcher = new Dispatcher({ inFlight, accessMonitor, forget, ...writing, send: answers.send, report })

  /** An exchange as the gateway makes it of a client's request. */
  function exchange(message: Message | undefined, options: ExchangeOptions = {}): Exchange {
    const {
      session,
      response,
      accepts = { json: true, events: true },
      door: _,
      as = principal,
      observed: watching,
      ...rest
    } = options
    const era = message?.era ?? 'legacy'
    const origin = new Origin({
      server: SERVER,
      principal: as,
      request: undefined,
      era,
      session,
      accepts,
      response,
      observed: watching,
    })
    return new Exchange({
      origin,
      life: new Lifetime(),
      config,
      path: [SERVER],
      verb: message ? 'POST' : 'GET',
      message,
      state: session?.record.upstream,
      headers: {},
      ...rest,
    })
  }

  /** Sends a message as a client does, and gives that client. */
  function send(message: Message | undefined, options: ExchangeOptions = {}): MemoryClient {
    const client = new MemoryClient()
    const response = client.response as unknown as ServerResponse
    const request = { socket: {}, headers: {} }
    const inbound = { request, response, server: SERVER, principal } as unknown as InboundRequest
    const watching = observers.begin(inbound)
    const sent = exchange(message, { response, observed: watching, ...options })
    const handle = pipeline.handleOf(config, options.door ?? 'client')
    watching?.received(sent.verb, message, () => {})
    watching?.sent(sent)
    dispatcher.dispatch(sent, handle, response).then(
      () => watching?.over(),
      (error: unknown) => {
        watching?.failed(error as GatewayError, undefined)
        client.refuse(error)
      },
    )
    return client
  }

  const find = async (id: string): Promise<ClientSession> => sessions.find(id, SERVER, principal?.id ?? '')

  return {
    upstream,
    config,
    layers: made,
    askToConnect,
    pipeline,
    sessions,
    upstreamSessions,
    inFlight,
    eras,
    /** What was reported to `onError`. */
    reported,
    exchange,
    send,
    find,
    /** A session that a client has opened before. */
    async session(client?: ClientState): Promise<ClientSession> {
      const told =
        client ??
        ('recover' in config && config.recover === true ? { handshake: { clientInfo: { name: 'test' } } } : undefined)
      const state = {
        upstream: upstream.id,
        protocolVersion: VERSION,
        id: upstream.open(),
        ...(told && { client: told }),
      }
      const record = { server: SERVER, principal: principal?.id ?? '', protocolVersion: VERSION, upstream: state }
      return find(await sessions.open(record))
    },
    /** The conversation that a session stands for now: `s1`, or `ended`. */
    async behind({ id }: ClientSession): Promise<string> {
      return find(id).then(
        ({ record }) => record.upstream.id ?? 'none',
        () => 'ended',
      )
    },
    /** The proofs of identity end: what an AccessMonitor does then. */
    expireTokens: () => inFlight.stop(expired(), ({ life }) => !life.isDetached),
    /** The gateway closes, and its grace is used up. */
    stopAll: () => inFlight.stop(closing(), () => true),
    async close(): Promise<void> {
      inFlight.stop(closing(), () => true)
      accessMonitor.close()
      await sessions.close()
      await log.close()
      await upstreamSessions.done()
    },
  }
}

/**
 * Waits until all that can happen has happened. In memory nothing waits for a socket or a file, so that a few turns of
 * the event loop are enough, whatever the machine has to do beside.
 */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 4; turn += 1) await new Promise(setImmediate)
}

export function closing(): GatewayError {
  return new GatewayError('closing', 'The gateway is shutting down')
}

/** A legacy call of a tool, or another legacy request. */
export function legacyCall(
  method = 'tools/call',
  params: object = { name: 'echo' },
  id: string | number = 7,
): RequestMessage {
  return requestOf('legacy', id, method, { ...params })
}

/** A handshake. */
export function handshake(params: object = { protocolVersion: VERSION, clientInfo: { name: 'test' } }): RequestMessage {
  return legacyCall('initialize', params)
}

/** A modern request, by default one whose result may be kept. */
export function modernCall(method = 'tools/list', params: object = {}, id: string | number = 7): RequestMessage {
  return requestOf('modern', id, method, { ...params, _meta: envelope })
}

/** Several legacy messages as one. */
export function batchOf(...items: Message[]): Message {
  return { kind: 'batch', era: 'legacy', items, text: `[${items.map(({ text }) => text).join(',')}]` }
}

/** A client's answer to a question of the server. */
export function responseOf(id: string | number = 1): Message {
  const text = JSON.stringify({ jsonrpc: '2.0', id, result: {} })
  return messageOf(JSON.parse(text), text, 'legacy')!
}

/** What a server says of its progress. */
export const PROGRESS = { method: 'notifications/progress', params: { progress: 1, progressToken: 't' } }
