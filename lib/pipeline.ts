/** The layers between a client's message and its server: one list, outermost first, with four doors into it. */
import type { GatewayError } from './errors.ts'
import type { Exchange } from './exchange/exchange.ts'
import { InFlight } from './exchange/in-flight.ts'
import type { Layer, UpstreamOf } from './exchange/layer.ts'
import type { Handle } from './exchange/reply.ts'
import { AskToConnect } from './layers/ask-to-connect/ask-to-connect.ts'
import { Authorize } from './layers/authorize.ts'
import { Bridge } from './layers/bridge/bridge.ts'
import { Cache } from './layers/cache/cache.ts'
import { CancelOnStop } from './layers/cancel-on-stop.ts'
import { EarlyListen } from './layers/early-listen.ts'
import { EventLogLayer } from './layers/event-log/event-log-layer.ts'
import { Interceptors } from './layers/interceptors/interceptors.ts'
import { KeptAnswers } from './layers/interceptors/questions.ts'
import { OpenSession } from './layers/open-session.ts'
import { RecoverSession } from './layers/recover-session.ts'
import { ResumeUpstream } from './layers/resume-upstream.ts'
import { SplitBatch } from './layers/split-batch.ts'
import { Observers } from './observe/observers.ts'
import type { Config } from './options.ts'
import { AnswerWriter } from './outbound/answer-writer.ts'
import { Dispatcher } from './outbound/dispatch.ts'
import { Heartbeat } from './outbound/heartbeat.ts'
import { AccessMonitor } from './session/access-monitor.ts'
import { Quota } from './session/quota.ts'
import { SessionHabits } from './session/session-habits.ts'
import { isTooMuch } from './session/session-record.ts'
import { Sessions } from './session/sessions.ts'
import { UpstreamSessions } from './session/upstream-session.ts'
import type { ServerConfig } from './types.ts'
import { Eras } from './upstream/eras.ts'
import { bridgesSessions, isAggregate, isPiped } from './upstream/server-kind.ts'
import { Upstreams, type UpstreamsParts } from './upstream/upstreams.ts'
import { within } from './util/timeout.ts'

/**
 * The entry point of an exchange. `client`: messages of a client. `gateway`: requests of the gateway on behalf of a
 * principal, as in a directory. `member`: requests of an aggregate to one of its servers. `farewell`: the DELETE that
 * ends an upstream session, for which no hook runs.
 */
export type Door = 'client' | 'gateway' | 'member' | 'farewell'

/** A layer, and the outermost door whose exchanges reach it. */
type Place = readonly [door: Door, layer: Layer]

/** The depth of each door: its exchanges reach the layers of the same or a greater depth. */
const DEPTH: Readonly<Record<Door, number>> = { client: 0, gateway: 1, member: 2, farewell: 3 }

/** A chain is built once per set of applicable layers, and shared by all configs with the same set. */
export class Pipeline {
  readonly #layers: readonly Layer[]
  readonly #depths: readonly number[]
  readonly #upstreamOf: UpstreamOf
  readonly #chains = new Map<number, Handle>()

  constructor(places: readonly Place[], upstreamOf: UpstreamOf) {
    this.#layers = places.map(([, layer]) => layer)
    this.#depths = places.map(([door]) => DEPTH[door])
    this.#upstreamOf = upstreamOf
  }

  /** The chain of layers for exchanges of this config that enter by this door. */
  handleOf(config: ServerConfig, door: Door): Handle {
    const depth = DEPTH[door]
    let shape = 0
    for (let index = 0; index < this.#layers.length; index += 1) {
      if (this.#depths[index]! >= depth && this.#layers[index]!.applies(config)) shape |= 1 << index
    }
    return this.#chains.get(shape) ?? this.#chain(shape)
  }

  #chain(shape: number): Handle {
    const send: Handle = (exchange) => this.#upstreamOf(exchange.path.at(-1)!, exchange.config).send(exchange)
    const layers = this.#layers.filter((_, index) => (shape & (1 << index)) !== 0)
    const chain = layers.reduceRight<Handle>((next, layer) => (exchange) => layer.handle(exchange, next), send)
    this.#chains.set(shape, chain)
    return chain
  }
}

export interface GatewayParts {
  readonly pipeline: Pipeline
  readonly sessions: Sessions
  readonly sessionHabits: SessionHabits
  /** Whether every client gets a gateway session, even if its server gives none. */
  readonly alwaysSessions: boolean
  readonly upstreamSessions: UpstreamSessions
  readonly upstreams: Upstreams
  readonly eras: Eras
  readonly inFlight: InFlight
  readonly quota: Quota
  readonly accessMonitor: AccessMonitor
  readonly observers: Observers
  readonly dispatcher: Dispatcher
  readonly answers: AnswerWriter
  readonly eventLog: EventLogLayer | undefined
  readonly earlyListen: EarlyListen | undefined
  readonly bridge: Bridge
  /** Ends a session here: in the store, in what goes on in it, and in the event log. */
  forget(sessionId: string): Promise<void>
}

/** The least time for the DELETE requests that end upstream sessions, also after the grace period. */
const FAREWELL_MS = 1_000

interface LayerParts extends Pick<
  GatewayParts,
  | 'sessions'
  | 'sessionHabits'
  | 'alwaysSessions'
  | 'upstreamSessions'
  | 'upstreams'
  | 'eras'
  | 'eventLog'
  | 'earlyListen'
  | 'observers'
  | 'bridge'
> {
  readonly report: (error: unknown, exchange: Exchange) => void
}

/** The pipeline: the one list of layers, outermost first. */
function layersOf(
  parts: LayerParts,
  { cacheBytes, protectedServers, responseMs, intercept, keys }: Config,
): readonly Place[] {
  const { upstreamSessions, upstreams, eventLog, earlyListen, bridge, report } = parts
  const track = (work: Promise<void>): Promise<void> => upstreamSessions.track(work)
  const intercepting = { upstreamOf: upstreams.of, timeoutMs: responseMs, report, kept: new KeptAnswers(keys) }
  const ofGateway = new Interceptors('gateway', intercept, intercepting)
  const ofServer = new Interceptors('server', undefined, intercepting)
  // Only Streamable HTTP with sessions has batches, and interceptors see messages one by one.
  const hasNoBatches = (config: ServerConfig): boolean => isPiped(config) || isAggregate(config)
  const needsSingles = {
    of: (config: ServerConfig) =>
      hasNoBatches(config) || bridgesSessions(config) || intercept !== undefined || config.intercept !== undefined,
    for: ({ message, config, state }: Exchange) =>
      hasNoBatches(config) ||
      state?.bridge !== undefined ||
      ofGateway.wants(message!, config) ||
      ofServer.wants(message!, config),
  }
  return [
    ['client', new OpenSession({ ...parts, watch: parts.observers.sessions })],
    ...(earlyListen ? [['client', earlyListen] as const] : []),
    ...(eventLog ? [['client', eventLog] as const] : []),
    ['gateway', new Authorize('said', protectedServers.scopes)],
    ['gateway', new SplitBatch(needsSingles)],
    ...(intercept ? [['gateway', ofGateway] as const] : []),
    ['member', ofServer],
    ['member', new Authorize('sent', protectedServers.scopes)],
    ['member', new AskToConnect({ upstreamOf: upstreams.of, keys, report })],
    ['farewell', bridge],
    ...(cacheBytes > 0 ? [['farewell', new Cache(upstreams.of, cacheBytes, responseMs)] as const] : []),
    ['farewell', new RecoverSession(responseMs)],
    ['farewell', new ResumeUpstream()],
    ['farewell', new CancelOnStop({ upstreamOf: upstreams.of, track, report })],
  ]
}

export function createGatewayParts(config: Config): GatewayParts {
  const { lookup, stallMs, recheckMs, events } = config
  const report = (error: unknown, { origin }: Exchange): void => origin.bind(config.report)(error, origin)
  const eras = new Eras()
  const observers = new Observers(config.observation, config.report)
  const members: UpstreamsParts['members'] = {
    handleOf: (server, door) => pipeline.handleOf(server, door),
    sessionsAreShared: () => sessions.areShared,
    isTooMuch,
    recheckMs,
  }
  const upstreams = new Upstreams({ ...config, attempt: observers.attempt, members }, eras)
  const inFlight = new InFlight()
  const quota = new Quota({ bytes: config.principalBytes, calls: config.principalCalls })
  const upstreamSessions = new UpstreamSessions((server) => pipeline.handleOf(server, 'farewell'), config.report)
  const sessions = new Sessions(config.sessions, inFlight, (id, { upstream }) => {
    earlyListen?.forget(id)
    observers.sessions.ended(id)
    upstreamSessions.expired(id, upstream)
  })
  const eventLog = events && new EventLogLayer(events, { report, inFlight })
  // At another node the client would not find the held stream, and the server would refuse a second one.
  const findsHeld = config.sessionsAreLocal || eventLog !== undefined
  const earlyListen = findsHeld ? new EarlyListen(quota, upstreams.of) : undefined
  const sessionHabits = new SessionHabits()
  const alwaysSessions = eventLog !== undefined
  const behind = { sessions, sessionHabits, alwaysSessions, upstreamSessions, upstreams, eras }
  const bridge = new Bridge({
    eras,
    upstreamOf: upstreams.of,
    sessionsAreShared: sessions.areShared,
    mailbox: eventLog?.mailbox,
    responseMs: config.responseMs,
    keys: config.keys,
    inFlight,
    endSession: (state, context) => upstreamSessions.enqueue(state, context),
    track: (work) => void upstreamSessions.track(work),
    report,
  })
  const layered = { ...behind, eventLog, earlyListen, observers, bridge }
  const pipeline = new Pipeline(layersOf({ ...layered, report }, config), upstreams.of)
  const access = { inFlight, sessions, upstreamSessions, lookup, recheckMs, report: config.report }
  const accessMonitor = new AccessMonitor(access)
  const forget = forgetting({ upstreamSessions, earlyListen, observers, sessions, eventLog }, config)
  const heartbeat = new Heartbeat()
  const answers = new AnswerWriter({ heartbeat, stallMs, report: config.report })
  const { send } = answers
  const dispatcher = new Dispatcher({ inFlight, accessMonitor, forget, heartbeat, stallMs, send, report })
  return { ...layered, pipeline, inFlight, quota, accessMonitor, dispatcher, answers, forget }
}

type ForgetParts = Pick<GatewayParts, 'upstreamSessions' | 'earlyListen' | 'observers' | 'sessions' | 'eventLog'>

function forgetting(
  { upstreamSessions, earlyListen, observers, sessions, eventLog }: ForgetParts,
  { report }: Config,
): GatewayParts['forget'] {
  return async (sessionId) => {
    upstreamSessions.forget(sessionId)
    earlyListen?.forget(sessionId)
    observers.sessions.ended(sessionId)
    await sessions.end(sessionId)
    await eventLog?.forget(sessionId).catch((error: unknown) => report(error, undefined))
  }
}

/** Lets exchanges finish within the grace period, stops the rest with this reason, and closes all parts. */
export async function closeGatewayParts(
  parts: GatewayParts,
  reason: GatewayError,
  graceMs: number,
  report: (error: unknown) => void,
): Promise<void> {
  const { inFlight, accessMonitor, observers, sessions, earlyListen, eventLog, bridge, upstreamSessions, upstreams } =
    parts
  const deadline = performance.now() + graceMs
  earlyListen?.releaseAll()
  inFlight.stop(reason, ({ life }) => life.endless)
  await within(deadline, inFlight.idle())
  inFlight.stop(reason, () => true)
  accessMonitor.close()
  await bridge.close()
  await sessions.close().catch(report)
  await eventLog?.close().catch(report)
  await within(Math.max(deadline, performance.now() + FAREWELL_MS), upstreamSessions.done())
  upstreamSessions.close()
  await upstreams.close()
  await observers.close(Math.max(deadline, performance.now() + FAREWELL_MS))
}
