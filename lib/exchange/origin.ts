/** Where an exchange comes from: the facts that the client's HTTP request fixes for good. */
import { AsyncResource } from 'node:async_hooks'
import type { ServerResponse } from 'node:http'
import type { Era, GatewayRequest, Principal, RequestId, SessionRecord, UpstreamState } from '../types.ts'
import type { Observed } from './observed.ts'

/** The session that a request belongs to. */
export interface ClientSession {
  readonly id: string
  /** The record as the store held it when the request arrived, with the changes made by `keep()` since. */
  readonly record: SessionRecord
  /**
   * Updates the upstream state in the session's record. Writers at this node run one at a time, each on the latest
   * record.
   */
  keep(change: (state: UpstreamState) => UpstreamState): Promise<void>
}

/** The media types that the client's `Accept` header allows. */
export interface Accepts {
  readonly json: boolean
  readonly events: boolean
}

interface OriginParts {
  /** The server's name. */
  readonly server: string
  readonly principal: Principal | undefined
  /** The client's HTTP request, for hooks; `undefined` for a request that the gateway itself makes. */
  readonly request: GatewayRequest | undefined
  /** The client's protocol era, which decides whether a disconnect cancels the request. (SE4, SE5) */
  readonly era: Era
  /** `undefined` before `initialize` has opened a session, and in the modern era. */
  readonly session: ClientSession | undefined
  readonly accepts: Accepts
  /** The client's HTTP response; `undefined` for a request that the gateway itself makes. */
  readonly response: ServerResponse | undefined
  /** What watches the client's message; none when nobody does. */
  readonly observed?: Observed | undefined
}

/** The facts that the client's HTTP request fixes: no layer changes them. */
export class Origin {
  readonly server: string
  readonly principal: Principal | undefined
  readonly request: GatewayRequest | undefined
  readonly era: Era
  readonly session: ClientSession | undefined
  readonly accepts: Accepts
  readonly observed: Observed | undefined
  readonly #response: ServerResponse | undefined
  readonly #context: AsyncResource
  /** One listener of the response calls all of these: many members may want to know. */
  #goneListeners: Set<() => void> | undefined
  /** The origin of the aggregate's exchange, if this is that of a member's. */
  readonly #outer: Origin | undefined
  /** Bounded, since it holds only ids of requests in this message. */
  #cancelled: Set<RequestId> | undefined

  constructor({ server, principal, request, era, session, accepts, response, observed }: OriginParts, outer?: Origin) {
    this.server = server
    this.principal = principal
    this.request = request
    this.era = era
    this.session = session
    this.accepts = accepts
    this.observed = observed
    this.#response = response
    this.#outer = outer
    this.#context = outer ? outer.#context : new AsyncResource('McpExchange')
  }

  /** The same client's request, as it concerns a member of an aggregate: under its name, in its part of the session. */
  ofMember(server: string, session: ClientSession | undefined): Origin {
    const { principal, request, era, accepts, observed } = this
    return new Origin({ server, principal, request, era, session, accepts, response: this.#response, observed }, this)
  }

  /** Whether the client has disconnected. */
  get isGone(): boolean {
    return this.#response?.destroyed === true
  }

  /**
   * Calls back when the client disconnects, or immediately if it already has. Returns a function that removes the
   * listener.
   */
  onGone(listener: () => void): () => void {
    if (this.#outer) return this.#outer.onGone(listener)
    if (this.isGone || !this.#response) {
      if (this.isGone) listener()
      return () => {}
    }
    if (!this.#goneListeners) {
      const listeners = (this.#goneListeners = new Set())
      this.#response.once('close', () => {
        for (const each of listeners) each()
      })
    }
    const own = (): void => listener()
    this.#goneListeners.add(own)
    return () => void this.#goneListeners?.delete(own)
  }

  /** Records that the client has cancelled this request and expects no response to it. (UT4) */
  cancel(id: RequestId): void {
    if (this.#outer) return this.#outer.cancel(id)
    this.#cancelled ??= new Set()
    this.#cancelled.add(id)
  }

  /** Filters out the requests that the client has cancelled. */
  awaited(ids: readonly RequestId[]): readonly RequestId[] {
    if (this.#outer) return this.#outer.awaited(ids)
    const cancelled = this.#cancelled
    return cancelled ? ids.filter((id) => !cancelled.has(id)) : ids
  }

  /** Wraps a hook so that it runs in the async context of this request, never in that of a pooled socket or a timer. */
  bind<A extends unknown[], R>(hook: (...args: A) => R): (...args: A) => R {
    return (...args) => this.#context.runInAsyncScope(hook, undefined, ...args)
  }
}
