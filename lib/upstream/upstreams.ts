/** Chooses the upstream for a server's config: over HTTP, HTTP+SSE or a pipe, or several of these. */
import type { OnOutcome } from '../exchange/gateway-internals.ts'
import type { Upstream, UpstreamOf } from '../exchange/layer.ts'
import type { AggregateServer, ErrorContext, ServerConfig } from '../types.ts'
import type { Eras } from './eras.ts'
import { HttpTransport, type HttpTransportParts } from './http/http-transport.ts'
import { HttpUpstreams } from './http/http-upstream.ts'
import type { LoopGuard } from './http/loop-guard.ts'
import { AggregateUpstream } from './aggregate/aggregate-upstream.ts'
import { Aggregates } from './aggregate/aggregates.ts'
import type { AggregateParts } from './aggregate/aggregate-parts.ts'
import { checkAggregate } from './aggregate/members.ts'
import { checkMember } from './check-member.ts'
import { type PipeTarget, pipeTargetOf } from './pipe/pipe-target.ts'
import { PipeUpstream } from './pipe/pipe-upstream.ts'
import { Pipes } from './pipe/pipes.ts'
import { isAggregate, isPipeServer, isSseServer } from './server-kind.ts'
import { checkServerInfo } from './server-info.ts'
import { sseTargetOf } from './sse/sse-server.ts'

export interface UpstreamsParts extends HttpTransportParts {
  /** The servers by name; `undefined` where a function looks them up. */
  readonly servers?: ReadonlyMap<string, ServerConfig> | undefined
  readonly report: (error: unknown, context: Partial<ErrorContext>) => void
  /** What aggregates need of the rest of the gateway. */
  readonly members: Pick<AggregateParts, 'handleOf' | 'sessionsAreShared' | 'isTooMuch' | 'recheckMs'>
}

export class Upstreams {
  readonly #isLookedUp: boolean
  readonly #eras: Eras
  readonly #transport: HttpTransport
  readonly #http: HttpUpstreams
  readonly #pipes: Pipes
  readonly #aggregates: Aggregates
  /** The last upstream of each config, which may stand under two names. */
  readonly #known = new WeakMap<AggregateServer, AggregateUpstream>()

  constructor(parts: UpstreamsParts, eras: Eras) {
    const { servers, responseMs, report, members } = parts
    this.#isLookedUp = servers === undefined
    this.#eras = eras
    this.#transport = new HttpTransport(parts, eras)
    this.#http = new HttpUpstreams(this.#transport)
    const { outcome } = this.#transport
    this.#pipes = new Pipes({ responseMs, report, outcome })
    this.#aggregates = new Aggregates({ ...members, upstreamOf: this.of, eras, responseMs, report, outcome })
  }

  /** Returns equivalent upstreams for the same config. Throws a TypeError that names the fault and the cure. */
  readonly of: UpstreamOf = (server, config): Upstream => {
    if (isPipeServer(config)) return this.#pipe(pipeTargetOf(server, config, this.#isLookedUp))
    if (isSseServer(config)) return this.#pipe(sseTargetOf(server, config, this.#transport))
    if (isAggregate(config)) return this.#aggregate(server, config)
    return this.#http.of(server, config)
  }

  #aggregate(server: string, config: AggregateServer): AggregateUpstream {
    const known = this.#known.get(config)
    if (known?.label === server) return known
    checkAggregate(server, config)
    const upstream = new AggregateUpstream(server, this.#aggregates)
    this.#known.set(config, upstream)
    return upstream
  }

  #pipe(target: PipeTarget): PipeUpstream {
    const { attempt, outcome } = this.#transport
    return new PipeUpstream(target, { pipes: this.#pipes, eras: this.#eras, outcome, attempt })
  }

  /** Recognizes requests that have passed this gateway before. */
  get loopGuard(): LoopGuard {
    return this.#transport.loopGuard
  }

  /** Reports the outcome of each later exchange with an upstream, including those that the gateway itself starts. */
  watch(onOutcome: OnOutcome): void {
    this.#transport.watch(onOutcome)
  }

  async close(): Promise<void> {
    this.#aggregates.close()
    await Promise.all([this.#transport.close(), this.#pipes.closeAll()])
  }
}

/** Checks a server of the `servers` record. Throws a TypeError that names the fault and the cure. */
export function checkServer(server: string, config: ServerConfig): void {
  checkServerInfo(server, config)
  if (isAggregate(config)) checkAggregate(server, config)
  else checkMember(server, config, false)
}
