/** Opens, resumes and ends sessions, and knows which are in use here. (requirements section 6) */
import { hash } from 'node:crypto'
import { GatewayError } from '../errors.ts'
import type { ClientSession, UpstreamState } from '../exchange/exchange.ts'
import { VISIBLE_ASCII } from '../protocol.ts'
import type { Awaitable, SessionRecord, SessionStore } from '../types.ts'
import { andThen, isPromise } from '../util/awaitable.ts'
import { boundedSet } from '../util/bounded-map.ts'
import { inHookTime } from '../util/hook-timeout.ts'
import { KeyedMutex } from '../util/keyed-mutex.ts'
import { checkRecord, recordOf } from './session-record.ts'

/** What goes on in sessions here: an `InFlight`. */
interface Activity {
  sessions(): ReadonlySet<string>
  stopSession(id: string, reason: GatewayError): void
}

type Change = (state: UpstreamState) => UpstreamState

/** Changes the state behind that is kept of a session; `undefined` when the session has ended. */
type ChangeState = (id: string, change: Change) => Promise<SessionRecord | undefined>

class FoundSession implements ClientSession {
  readonly id: string
  readonly #change: ChangeState
  #record: SessionRecord

  constructor(id: string, record: SessionRecord, change: ChangeState) {
    this.id = id
    this.#record = record
    this.#change = change
  }

  get record(): SessionRecord {
    return this.#record
  }

  async keep(change: Change): Promise<void> {
    this.#record = (await this.#change(this.id, change)) ?? this.#record
  }
}

/** Told when a store ended a session by itself. */
type OnExpired = (id: string, record: SessionRecord) => void

/** The longest id that is looked up at all, in characters. */
const MAX_ID_LENGTH = 4096

/** How many sessions have a state of their own at this node, each of 64 KiB at most. */
const MAX_OWN_STATES = 1_000

export class Sessions {
  readonly #store: SessionStore
  readonly #activity: Activity
  readonly #changes = new KeyedMutex()
  /** By id, what has changed in sessions of a store that cannot change a record: it holds at this node alone. */
  readonly #ownStates = new Map<string, UpstreamState>()

  constructor(store: SessionStore, activity: Activity, onExpired: OnExpired) {
    this.#store = store
    this.#activity = activity
    store.attach?.({
      inUse: () => activity.sessions(),
      ended: (id, record) => {
        this.stop(id)
        onExpired(id, recordOf(record))
      },
    })
  }

  /** Whether the store ends sessions by itself, and tells. */
  get endByThemselves(): boolean {
    return this.#store.attach !== undefined
  }

  /** Keeps a new session; the id is the client's to send. Throws `unavailable` when the store does not. */
  async open(record: SessionRecord): Promise<string> {
    const principal = principalKey(record.principal)
    const id = await this.#ask(() => this.#store.create({ ...record, principal }))
    if (typeof id === 'string' && VISIBLE_ASCII.test(id)) return id
    throw unavailable(new TypeError('The session store must create ids of visible ASCII characters'))
  }

  /**
   * The session a request names. Throws for an id that is unknown, ended, another principal's or another server's one and
   * the same `session_not_found`, so that nobody learns which it was.
   */
  find(id: string, server: string, principal: string): Awaitable<ClientSession> {
    if (id.length > MAX_ID_LENGTH || !VISIBLE_ASCII.test(id)) throw notFound()
    const check = (found: SessionRecord | undefined): ClientSession => {
      if (found?.server !== server || !isOf(found, principal)) throw notFound()
      return new FoundSession(id, this.#current(id, found), this.#changeState)
    }
    const record = this.get(id)
    return isPromise(record) ? record.then(check) : check(record)
  }

  /** The record of a session as it is now. */
  get(id: string): Awaitable<SessionRecord | undefined> {
    return this.#ask(() => andThen(this.#store.get(id), checkRecord))
  }

  /** Ends a session here and now: what goes on in it stops, and from now on its id is not found. */
  async end(id: string): Promise<void> {
    this.#ownStates.delete(id)
    await this.#ask(() => this.#store.delete(id))
    this.stop(id)
  }

  async close(): Promise<void> {
    await this.#ask(() => this.#store.close?.())
  }

  /** Stops what goes on here in a session that has ended. */
  stop(id: string): void {
    this.#activity.stopSession(id, new GatewayError('session_not_found', 'The session has ended'))
  }

  /**
   * Changes the state behind that is kept of a session, where the store can. Changes at this node take turns; of two
   * nodes the later one wins.
   */
  readonly #changeState: ChangeState = (id, change) =>
    this.#changes.run(id, async () => {
      const found = await this.get(id)
      if (!found) return undefined
      const before = this.#current(id, found)
      const record = { ...before, upstream: change(before.upstream) }
      if (record.upstream === before.upstream) return record
      if (this.#store.update) await this.#ask(() => this.#store.update!(id, record))
      else boundedSet(this.#ownStates, MAX_OWN_STATES, id, record.upstream)
      return record
    })

  #current(id: string, record: SessionRecord): SessionRecord {
    const upstream = this.#ownStates.get(id)
    return upstream ? { ...record, upstream } : record
  }

  /** A store that throws or rejects is a 503; only its own GatewayErrors speak for themselves. */
  #ask<T>(question: () => Awaitable<T>): Awaitable<T> {
    try {
      const answer = inHookTime(question(), 'The session store')
      return isPromise(answer) ? answer.then(undefined, refuse) : answer
    } catch (error) {
      return refuse(error)
    }
  }
}

/** A RangeError is for good: a client that came again would be refused again. */
function refuse(error: unknown): never {
  if (error instanceof RangeError) {
    throw new GatewayError('internal', 'The session store cannot keep this session', { cause: error })
  }
  throw error instanceof GatewayError ? error : unavailable(error)
}

/** The longest id of a principal that records have as it is, in characters. */
const MAX_PRINCIPAL_LENGTH = 256

const DIGEST = 'sha256:'

/** What stands for a principal in a record: in place of a long id its digest, so that every store can keep it. */
function principalKey(id: string): string {
  if (id.length <= MAX_PRINCIPAL_LENGTH && !id.startsWith(DIGEST)) return id
  return DIGEST + hash('sha256', id, 'base64url')
}

/** Records of 0.1 have long ids as they are. */
function isOf(record: SessionRecord, principal: string): boolean {
  if (record.principal === principalKey(principal)) return true
  return principal.length > MAX_PRINCIPAL_LENGTH && record.principal === principal
}

function unavailable(cause: unknown): GatewayError {
  return new GatewayError('unavailable', 'The session store is unavailable', { cause })
}

function notFound(): GatewayError {
  return new GatewayError('session_not_found', 'Session not found')
}
