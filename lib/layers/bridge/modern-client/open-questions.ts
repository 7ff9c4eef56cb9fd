/** Where the questions of a call wait: sealed with the client, for any node; or at this node, which others may ask. */
import { GatewayError, isCode } from '../../../errors.ts'
import type { Exchange } from '../../../exchange/exchange.ts'
import type { InFlight } from '../../../exchange/in-flight.ts'
import type { Handle } from '../../../exchange/reply.ts'
import { negotiatedVersionHeader } from '../../../protocol.ts'
import type { Mailbox } from '../bridge-parts.ts'
import { type Elsewhere, RemoteAnswers } from './answers-elsewhere.ts'
import { type HeldCall, HeldCalls } from './held-calls.ts'
import type { Envelope } from './legacy-request.ts'
import { MovedCalls } from './moved-calls.ts'
import { PooledSession } from './pooled-session.ts'
import type { MovableCall, RequestStates, State } from './request-state.ts'
import { ServerCall } from './server-call.ts'
import type { SessionPool } from './session-pool.ts'

/** The longest description of a server that is sealed with a call, in characters. */
const MAX_INFO_LENGTH = 1024

interface OpenQuestionsParts {
  readonly pool: SessionPool
  readonly states: RequestStates
  /** Whether other nodes have the keys that seal states. */
  readonly isShared: boolean
  readonly inFlight: Pick<InFlight, 'add' | 'delete'>
  readonly mailbox: Mailbox | undefined
  /** Makes the gateway's `close()` wait. */
  readonly track: (work: Promise<void>) => void
}

/** The client's request that answers. */
export interface Answering {
  readonly exchange: Exchange
  readonly next: Handle
  readonly envelope: Envelope
  readonly bound: string
}

/** A call that goes on. */
export interface Resumed {
  readonly call: ServerCall
  readonly round: number
  /** Whether this node has had it all the time. */
  readonly isOurs: boolean
}

export class OpenQuestions {
  readonly #parts: OpenQuestionsParts
  readonly #held: HeldCalls
  readonly #moved: MovedCalls
  readonly #remote: RemoteAnswers | undefined

  constructor(parts: OpenQuestionsParts) {
    this.#parts = parts
    this.#held = new HeldCalls(parts.inFlight, (held, reason) => this.#stopped(held, reason))
    this.#moved = new MovedCalls(parts.pool)
    this.#remote = parts.mailbox && new RemoteAnswers(parts.mailbox, parts.inFlight, this)
  }

  get load(): { readonly questions: number; readonly bytes: number } {
    return { questions: this.#held.size, bytes: this.#held.bytes }
  }

  /** Keeps a call until its questions are answered. Returns its `requestState`. Throws `too_many_requests`. */
  async keep(call: ServerCall, round: number, bound: string, exchange: Exchange): Promise<string> {
    const { states } = this.#parts
    const movable = this.#parts.isShared ? movableOf(call) : undefined
    const sealed = movable && states.write({ kind: 'movable', movable, round }, bound)
    if (sealed !== undefined) {
      call.suspend()
      call.session.calls.delete(call)
      this.#moved.add(call.id, call.session)
      return sealed
    }
    try {
      const handle = this.#held.hold(call, bound, round, exchange)
      await this.#remote?.attend(handle, round)
      return states.write({ kind: 'held', handle, round }, bound)!
    } catch (error) {
      call.life.stop(new GatewayError('bad_request', 'The question cannot wait'))
      this.#discard(call)
      throw error
    }
  }

  /** The call that a state stands for; `undefined` if it is not open here. */
  async resume(state: State, answering: Answering): Promise<Resumed | undefined> {
    if (state.kind === 'held') {
      const held = this.take(state.handle, answering.bound, state.round)
      if (held) this.#remote?.leave(state.handle)
      return held && { call: held.call, round: held.round, isOurs: true }
    }
    if (state.kind !== 'movable') return undefined
    const { movable, round } = state
    if (!this.#moved.isNew(movable.call.id, round)) return undefined
    const own = this.#moved.take(movable.call.id)
    const session = own ?? this.#adopt(movable, answering)
    const call = new ServerCall(movable.call.id, session, answering.envelope.capabilities)
    session.calls.add(call)
    session.owner = call
    try {
      await session.listen(movable.heard)
      await call.resume(movable.call, answering.exchange, answering.next)
      return { call, round, isOurs: own !== undefined }
    } catch (error) {
      this.#giveBack(call, round, error)
      return undefined
    }
  }

  /** Has the node that holds the call answer; `undefined` if there is none. */
  answerElsewhere(
    state: Extract<State, { kind: 'held' }>,
    { bound, exchange }: Answering,
    results: ReadonlyMap<string, string>,
  ): Promise<Elsewhere | undefined> {
    return this.#remote?.ask(state.handle, state.round, { bound, results }, exchange.life) ?? Promise.resolve(undefined)
  }

  /** Takes a call that waits here. */
  take(handle: string, bound: string, round: number): HeldCall | undefined {
    return this.#held.take(handle, bound, round)
  }

  /** Whether a call waits here. */
  has(handle: string): boolean {
    return this.#held.has(handle)
  }

  /**
   * Ends the use that a call makes of its session. One in which the server may still ask something for the call, or waits
   * for an answer, is not for others: they would be asked in its place, as a question on the session's own stream does not
   * say for which call it is.
   */
  leave(call: ServerCall): void {
    const { pool } = this.#parts
    const { session } = call
    if (call.questions.length > 0 || (session.owner === call && !call.hasResponse)) {
      call.life.stop(new GatewayError('bad_request', 'The question is not answered'))
      return this.#discard(call)
    }
    session.calls.delete(call)
    call.life.end()
    if (session.owner === call) pool.release(session)
    else pool.leave(session)
  }

  close(): void {
    this.#remote?.close()
    this.#moved.close()
  }

  /** Handles that a call could not be resumed. Unless its session is gone, the client may try again. */
  #giveBack(call: ServerCall, round: number, error: unknown): void {
    call.session.calls.delete(call)
    call.life.end()
    if (isCode(error, 'session_not_found')) return call.session.lose()
    this.#moved.reopen(call.id, round)
    this.#moved.add(call.id, call.session)
    throw error
  }

  #discard(call: ServerCall): void {
    call.session.calls.delete(call)
    call.life.end()
    this.#parts.pool.retire(call.session)
  }

  /** A closing gateway cancels no requests, but this one nobody will ever get the response of. */
  #stopped({ handle, call }: HeldCall, { code, message }: GatewayError): void {
    this.#remote?.leave(handle)
    const cancelled = { requestId: call.id, reason: message }
    const told = code === 'closing' ? call.session.notify('notifications/cancelled', cancelled) : Promise.resolve()
    this.#parts.track(told.then(() => this.#discard(call)))
  }

  /** A session of another node. It ends with the call, since it is in no pool. */
  #adopt({ session: id, version, serverInfo }: MovableCall, { exchange, next, envelope }: Answering): PooledSession {
    const { pool } = this.#parts
    const { entry, hooks } = pool.adopted(exchange, envelope)
    const state = { upstream: pool.upstreamIdOf(exchange), protocolVersion: version, id }
    const offered = { capabilities: {}, serverInfo, instructions: undefined }
    const headers = negotiatedVersionHeader(version)
    const own = exchange.fork({ message: undefined, headers, isOwn: true }, exchange.life.detach())
    const session = new PooledSession(state, offered, own, next, hooks)
    session.isForeign = true
    pool.takeBack(session, entry, false)
    return session
  }
}

/** What another node needs to go on with a call; `undefined` if the server gives no event ids. */
function movableOf({ session, snapshot }: ServerCall): MovableCall | undefined {
  const { id, protocolVersion } = session.state
  if (snapshot === undefined || id === undefined) return undefined
  const { serverInfo } = session.offered
  const isShort = (JSON.stringify(serverInfo) ?? '').length <= MAX_INFO_LENGTH
  return {
    session: id,
    version: protocolVersion,
    ...(isShort && { serverInfo }),
    heard: session.stream.after,
    call: snapshot,
  }
}
