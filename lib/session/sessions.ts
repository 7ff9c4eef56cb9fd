/** Opens, finds, changes and ends sessions. (requirements section 6) */
import { hash } from 'node:crypto'
import { GatewayError } from '../errors.ts'
import type { ClientSession, UpstreamState } from '../exchange/exchange.ts'
import { MAX_SESSION_ID_LENGTH, VISIBLE_ASCII } from '../protocol.ts'
import type { Awaitable, SessionRecord, SessionStore } from '../types.ts'
import { isPromise } from '../util/awaitable.ts'
import { boundedSet } from '../util/bounded-map.ts'
import { inHookTime } from '../util/hook-timeout.ts'
import { KeyedMutex } from '../util/keyed-mutex.ts'
import { checkRecord, recordOf } from './session-record.ts'

/** The streams and requests of sessions that are open at this node: an `InFlight`. */
interface Activity {
  sessions(): ReadonlySet<string>
  stopSession(id: string, reason: () => GatewayError): void
}

type StateChange = (state: UpstreamState) => UpstreamState

/** Changes the upstream state in the record of a session. Resolves with `undefined` when the session has ended. */
type ChangeState = (id: string, change: StateChange) => Promise<SessionRecord | undefined>

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

  async keep(change: StateChange): Promise<void> {
    this.#record = (await this.#change(this.id, change)) ?? this.#record
  }
}

/** Called when a store ended a session by itself. */
type OnExpired = (id: string, record: SessionRecord) => void

/** The most sessions whose changed state is kept at this node, of 64 KiB at most each. */
const MAX_OWN_STATES = 1_000

/** The stores of open gateways that end sessions by themselves: such a store tells one gateway what it ends. */
const attachedStores = new WeakSet<SessionStore>()

const ONE_GATEWAY =
  '"sessions" is the store of another gateway, which alone would hear what it ends: give each a store of its own'

export class Sessions {
  readonly #store: SessionStore
  readonly #activity: Activity
  readonly #changes = new KeyedMutex()
  /** The changed states of sessions whose store has no `update()`, by id. Other nodes do not see them. */
  readonly #ownStates = new Map<string, UpstreamState>()

  constructor(store: SessionStore, activity: Activity, onExpired: OnExpired) {
    this.#store = store
    this.#activity = activity
    if (attachedStores.has(store)) throw new TypeError(ONE_GATEWAY)
    if (store.attach) attachedStores.add(store)
    store.attach?.({
      inUse: () => activity.sessions(),
      ended: (id, record) => {
        this.stop(id)
        onExpired(id, recordOf(record))
      },
    })
  }

  /** Whether the store reports the sessions that it ends by itself. */
  get endByThemselves(): boolean {
    return this.#store.attach !== undefined
  }

  /** Whether what changes in a session is kept for all nodes. */
  get areShared(): boolean {
    return this.#store.update !== undefined
  }

  /** Keeps a new session. The id becomes the client's `Mcp-Session-Id`. Throws `unavailable` when the store fails. */
  async open(record: SessionRecord): Promise<string> {
    const principal = principalKey(record.principal)
    const id = await this.#call(() => this.#store.create({ ...record, principal }))
    if (typeof id === 'string' && VISIBLE_ASCII.test(id)) return id
    throw unavailable(new TypeError('The session store must create ids of visible ASCII characters'))
  }

  /**
   * The session of an id. Throws `session_not_found`, always the same error, for an id that is unknown, ended, of another
   * principal or of another server: a client cannot tell which.
   */
  find(id: string, server: string, principal: string): Awaitable<ClientSession> {
    if (id.length > MAX_SESSION_ID_LENGTH || !VISIBLE_ASCII.test(id)) throw notFound()
    const check = (found: SessionRecord | undefined): ClientSession => {
      if (found?.server !== server || !isOf(found, principal)) throw notFound()
      return new FoundSession(id, this.#current(id, found), this.#changeState)
    }
    const record = this.get(id)
    return isPromise(record) ? record.then(check) : check(record)
  }

  /** The record of a live session, from the store. */
  get(id: string): Awaitable<SessionRecord | undefined> {
    try {
      const answer = inHookTime(this.#store.get(id), 'The session store')
      return isPromise(answer) ? answer.then(checkRecord).then(undefined, throwStoreError) : checkRecord(answer)
    } catch (error) {
      return throwStoreError(error)
    }
  }

  /** Ends a session: deletes it from the store, and stops its streams and requests at this node. */
  async end(id: string): Promise<void> {
    this.#ownStates.delete(id)
    await this.#call(() => this.#store.delete(id))
    this.stop(id)
  }

  async close(): Promise<void> {
    attachedStores.delete(this.#store)
    await this.#call(() => this.#store.close?.())
  }

  /** Stops the streams and requests of an ended session at this node. */
  stop(id: string): void {
    this.#activity.stopSession(id, () => new GatewayError('session_not_found', 'The session has ended'))
  }

  /**
   * Changes the upstream state in the record of a session; at this node alone where the store has no `update()`. A keyed
   * mutex serializes the changes of one node; between nodes the last write wins.
   */
  readonly #changeState: ChangeState = (id, change) =>
    this.#changes.run(id, async () => {
      const found = await this.get(id)
      if (!found) return undefined
      const before = this.#current(id, found)
      const record = { ...before, upstream: change(before.upstream) }
      if (record.upstream === before.upstream) return record
      if (this.#store.update) await this.#call(() => this.#store.update!(id, record))
      else boundedSet(this.#ownStates, MAX_OWN_STATES, id, record.upstream)
      return record
    })

  #current(id: string, record: SessionRecord): SessionRecord {
    const upstream = this.#ownStates.get(id)
    return upstream ? { ...record, upstream } : record
  }

  /** Calls the store. What it throws or rejects with becomes `unavailable`, unless it is a GatewayError. */
  #call<T>(method: () => Awaitable<T>): Awaitable<T> {
    try {
      const answer = inHookTime(method(), 'The session store')
      return isPromise(answer) ? answer.then(undefined, throwStoreError) : answer
    } catch (error) {
      return throwStoreError(error)
    }
  }
}

/** A RangeError is permanent, so it is not answered by 503: a retry would fail again. */
function throwStoreError(error: unknown): never {
  if (error instanceof RangeError) {
    throw new GatewayError('internal', 'The session store cannot keep this session', { cause: error })
  }
  throw error instanceof GatewayError ? error : unavailable(error)
}

/** A principal's id that is longer, in characters, is replaced by its digest in records. */
const MAX_PRINCIPAL_LENGTH = 256

const DIGEST = 'sha256:'

/** A principal's id as records have it: the digest of a long one, which every store can keep. */
function principalKey(id: string): string {
  if (id.length <= MAX_PRINCIPAL_LENGTH && !id.startsWith(DIGEST)) return id
  return DIGEST + hash('sha256', id, 'base64url')
}

/** Whether a record belongs to a principal. Records of 0.1 have long ids undigested. */
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
