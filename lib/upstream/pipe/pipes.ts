/** The open pipes of a gateway: session pipes by id, shared pipes by the key of those who share them. */
import { randomBytes } from 'node:crypto'
import { GatewayError, isCode, sessionElsewhere } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { OnOutcome } from '../../exchange/gateway-internals.ts'
import type { OnChange } from '../../exchange/layer.ts'
import type { ErrorContext, Pipe, PipeContext } from '../../types.ts'
import { Deadlines } from '../../util/deadlines.ts'
import { member } from '../../util/json.ts'
import { within } from '../../util/timeout.ts'
import { handshakeNeeded } from '../eras.ts'
import { protocolOf } from '../server-kind.ts'
import { BackOff } from './back-off.ts'
import { Capacity } from './capacity.ts'
import { Channel } from './channel.ts'
import { PipeEras } from './era-probe.ts'
import { openPipe } from './open-pipe.ts'
import type { PipeTarget } from './pipe-target.ts'

export interface PipesParts {
  readonly responseMs: number
  readonly report: (error: unknown, context: Partial<ErrorContext>) => void
  readonly outcome: OnOutcome
}

/** An open pipe, with what it was opened by and how it is found. */
interface OpenEntry {
  readonly target: PipeTarget
  readonly context: PipeContext
  readonly channel: Channel
  /** The name by which the back-off counts: a pipe with the same name would be opened again. */
  readonly name: string
  readonly openedAt: number
  /** Removes it from the shared pipes. */
  readonly forget: () => void
  sessionId: string | undefined
  /** Whether it still serves to detect the era, which the server may answer by exiting. */
  isProbe: boolean
}

export class Pipes {
  readonly #parts: PipesParts
  /** Prefixes every session id of this node, so that ids of other nodes or of before a restart are recognized. */
  readonly #node = randomBytes(9).toString('base64url')
  readonly #open = new Map<Channel, OpenEntry>()
  readonly #sessions = new Map<string, OpenEntry>()
  readonly #shared = new Map<string, Promise<Channel>>()
  readonly #eras = new PipeEras()
  readonly #capacity = new Capacity()
  readonly #backOff = new BackOff()
  readonly #closing = new Set<Promise<void>>()
  /** By upstream id. */
  readonly #listeners = new Map<string, Set<OnChange>>()
  readonly #deadlines: Deadlines
  #isClosed = false

  constructor(parts: PipesParts) {
    this.#parts = parts
    this.#deadlines = new Deadlines(parts.responseMs)
  }

  /** Opens a pipe for a session. The key is that by which modern requests would share a pipe. */
  open(target: PipeTarget, key: string, exchange: Exchange, context: PipeContext): Promise<Channel> {
    return this.#openPipe(target, nameOf(target, key), exchange, context, () => {})
  }

  /** Registers a pipe as a session's, and returns the session id. */
  keep(channel: Channel): string {
    const id = `${this.#node}.${randomBytes(18).toString('base64url')}`
    const entry = this.#open.get(channel)
    if (entry) {
      entry.sessionId = id
      this.#sessions.set(id, entry)
    }
    return id
  }

  /** Returns the pipe of a session. */
  find({ id: upstreamId }: PipeTarget, id: string | undefined): Channel {
    if (!id?.startsWith(`${this.#node}.`)) throw sessionElsewhere()
    const found = this.#sessions.get(id)
    if (found?.target.id === upstreamId && !found.channel.isOver) return found.channel
    throw new GatewayError('session_not_found', 'Session not found')
  }

  /**
   * Returns the pipe shared by this key; concurrent calls open it once. Rejects with `bad_request` if it turns out to
   * be legacy.
   */
  share(target: PipeTarget, key: string, exchange: Exchange, context: PipeContext): Promise<Channel> {
    const name = nameOf(target, key)
    const before = this.#shared.get(name)
    if (before) return before
    const isAuto = protocolOf(exchange.config) === 'auto'
    const era = isAuto ? this.#eras.of(name) : 'modern'
    if (era === 'legacy') throw handshakeNeeded()
    const forget = (): void => {
      if (this.#shared.get(name) === opening) this.#shared.delete(name)
    }
    const opened = this.#openPipe(target, name, exchange, context, forget)
    const opening = era ? opened : opened.then((channel) => this.#probe(name, channel, exchange))
    this.#shared.set(name, opening)
    opening.catch(forget)
    return opening
  }

  /** Keeps a pipe that proves to be modern as the shared one; closes any other, which has served its purpose. */
  async #probe(name: string, channel: Channel, exchange: Exchange): Promise<Channel> {
    const entry = this.#open.get(channel)
    if (entry) entry.isProbe = true
    try {
      if ((await this.#eras.probe(name, channel, exchange)) === 'legacy') throw handshakeNeeded()
    } catch (error) {
      const closing = this.close(channel)
      // The client sends a handshake next, for which there may be no room until this pipe has closed.
      const { target, context } = entry ?? {}
      if (target && !this.#capacity.hasRoom(target, context?.principal)) {
        await within(performance.now() + 2 * target.graceMs, closing)
      }
      throw this.#isClosed ? hasClosed() : error
    }
    if (entry) entry.isProbe = false
    return channel
  }

  /** Calls the listener with the change notifications of this target's pipes; clients receive them independently. */
  onChange({ id }: PipeTarget, listener: OnChange): () => void {
    const listeners = this.#listeners.get(id) ?? new Set()
    this.#listeners.set(id, listeners.add(listener))
    return () => {
      if (listeners.delete(listener) && listeners.size === 0) this.#listeners.delete(id)
    }
  }

  /**
   * Closes a pipe; resolves when it has closed. Errors of closing are reported, not thrown, as no client can act on
   * them.
   */
  async close(channel: Channel): Promise<void> {
    const entry = this.#open.get(channel)
    if (!entry) return
    entry.forget()
    if (entry.sessionId !== undefined) this.#sessions.delete(entry.sessionId)
    const closing = channel
      .close(entry.target.graceMs)
      .catch((error: unknown) => this.#parts.report(error, {}))
      .finally(() => {
        this.#closing.delete(closing)
        // `close()` may be called several times, but its place must be freed once.
        if (this.#open.delete(channel)) this.#capacity.free(entry.target, entry.context.principal)
      })
    this.#closing.add(closing)
    await closing
  }

  /** Closes all pipes, including those still being opened once they are open. */
  async closeAll(): Promise<void> {
    this.#isClosed = true
    await Promise.all(Array.from(this.#open.keys(), (channel) => this.close(channel)))
    await Promise.all(this.#closing)
  }

  async #openPipe(
    target: PipeTarget,
    name: string,
    { origin }: Exchange,
    context: PipeContext,
    forget: () => void,
  ): Promise<Channel> {
    if (this.#isClosed) throw hasClosed()
    this.#backOff.check(name)
    this.#backOff.check(ownNameOf(name, context))
    this.#capacity.reserve(target, context.principal)
    let pipe: Pipe
    try {
      pipe = await openPipe(target, origin, context)
    } catch (error) {
      this.#capacity.free(target, context.principal)
      if (!isCode(error, 'unavailable')) this.#parts.outcome(target.id, false)
      throw error
    }
    const channel = this.#channelOf(pipe, target, context)
    const openedAt = performance.now()
    const entry = { target, context, channel, name, openedAt, forget, sessionId: undefined, isProbe: false }
    this.#open.set(channel, entry)
    if (!this.#isClosed) return channel
    void this.close(channel)
    throw hasClosed()
  }

  #channelOf(pipe: Pipe, target: PipeTarget, { era, server, principal }: PipeContext): Channel {
    const { report, responseMs } = this.#parts
    const where = { server, principal }
    const channel: Channel = new Channel({
      pipe,
      isShared: era === 'modern',
      responseMs,
      deadlines: this.#deadlines,
      idleMs: target.idleMs,
      onIdle: () => void this.close(channel),
      onEnd: (cause, hadCalls) => {
        const entry = this.#open.get(channel)
        void this.close(channel)
        if (entry?.isProbe) return
        if (entry && cause && target.backsOff) this.#noteEnd(entry)
        this.#parts.outcome(target.id, false, exitOf(cause))
        // If requests were in flight, they were rejected with the cause, which reports it.
        if (cause && !hadCalls) report(new GatewayError('upstream_broken', 'The server ended', { cause }), where)
      },
      report: (error) => report(error, where),
      onChange: (method, uri) => {
        for (const listener of this.#listeners.get(target.id) ?? []) listener(method, uri)
      },
    })
    return channel
  }

  /**
   * An end before any response counts for everybody who would share the pipe; later its own client may have caused it.
   */
  #noteEnd({ channel, name, context, openedAt }: OpenEntry): void {
    const whose = channel.hasAnswered ? ownNameOf(name, context) : name
    this.#backOff.ended(whose, openedAt)
  }
}

function nameOf({ id }: PipeTarget, key: string): string {
  return JSON.stringify([id, key])
}

function ownNameOf(name: string, { principal }: PipeContext): string {
  return JSON.stringify([name, principal?.id ?? ''])
}

/** The exit code or signal of the process, where it is known. */
function exitOf(cause: unknown): number | string | undefined {
  const exit = member(cause, 'exitCode') ?? member(cause, 'signal')
  return typeof exit === 'number' || typeof exit === 'string' ? exit : undefined
}

function hasClosed(): GatewayError {
  return new GatewayError('closing', 'The gateway is shutting down')
}
