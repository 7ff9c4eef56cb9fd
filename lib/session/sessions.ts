/** Opens, resumes and ends sessions, and knows which are in use here. (requirements section 6) */
import { isPromise } from '../awaitable.ts'
import { GatewayError } from '../errors.ts'
import { VISIBLE_ASCII } from '../protocol.ts'
import type { Awaitable, Session, SessionRecord, SessionStore } from '../types.ts'

/** What goes on in sessions here. */
interface GoingOn {
  sessions(): ReadonlySet<string>
  stop(error: GatewayError, test: (what: { readonly session: Session | undefined }) => boolean): void
}

/** Told when a store ended a session by itself. */
type OnExpired = (id: string, record: SessionRecord) => void

/** The longest id that is looked up at all, in characters. */
const MAX_ID_LENGTH = 4096

export class Sessions {
  readonly #store: SessionStore
  readonly #running: GoingOn

  constructor(store: SessionStore, running: GoingOn, onExpired: OnExpired) {
    this.#store = store
    this.#running = running
    store.attach?.({
      inUse: () => running.sessions(),
      ended: (id, record) => {
        this.stop(id)
        onExpired(id, record)
      },
    })
  }

  /** Whether the store can keep another record of a session. */
  get canUpdate(): boolean {
    return this.#store.update !== undefined
  }

  /** Whether the store ends sessions by itself, and tells. */
  get endByThemselves(): boolean {
    return this.#store.attach !== undefined
  }

  /** Keeps a new session; the id is the client's to send. Throws `unavailable` when the store does not. */
  async open(record: SessionRecord): Promise<string> {
    const id = await this.#ask(() => this.#store.create(record))
    if (typeof id === 'string' && VISIBLE_ASCII.test(id)) return id
    throw unavailable(new TypeError('The session store must create ids of visible ASCII characters'))
  }

  /**
   * The session a request names. Throws `session_required` without an id; and for an id that is unknown, ended, another
   * principal's or another server's one and the same `session_not_found`, so that nobody learns which it was.
   */
  find(id: string | undefined, server: string, principal: string): Awaitable<Session> {
    if (id === undefined) throw new GatewayError('session_required', 'Mcp-Session-Id is required')
    if (id.length > MAX_ID_LENGTH || !VISIBLE_ASCII.test(id)) throw notFound()
    const check = (record: SessionRecord | undefined): Session => {
      if (record?.server !== server || record.principal !== principal) throw notFound()
      return { id, record }
    }
    const record = this.#ask(() => this.#store.get(id))
    return isPromise(record) ? record.then(check) : check(record)
  }

  /** The record of a session as it is now. */
  get(id: string): Awaitable<SessionRecord | undefined> {
    return this.#ask(() => this.#store.get(id))
  }

  /** Keeps another record of a live session, where the store can. */
  async update(id: string, record: SessionRecord): Promise<void> {
    await this.#ask(() => this.#store.update?.(id, record))
  }

  /** Ends a session here and now: what goes on in it stops, and from now on its id is not found. */
  async end(id: string): Promise<void> {
    await this.#ask(() => this.#store.delete(id))
    this.stop(id)
  }

  async close(): Promise<void> {
    await this.#ask(() => this.#store.close?.())
  }

  /** Stops what goes on here in a session that has ended. */
  stop(id: string): void {
    this.#running.stop(
      new GatewayError('session_not_found', 'The session has ended'),
      ({ session }) => session?.id === id,
    )
  }

  /** A store that throws or rejects is a 503; only its own GatewayErrors speak for themselves. */
  #ask<T>(question: () => Awaitable<T>): Awaitable<T> {
    try {
      const answer = question()
      return isPromise(answer) ? answer.then(undefined, refuse) : answer
    } catch (error) {
      return refuse(error)
    }
  }
}

function refuse(error: unknown): never {
  throw error instanceof GatewayError ? error : unavailable(error)
}

function unavailable(cause: unknown): GatewayError {
  return new GatewayError('unavailable', 'The session store is unavailable', { cause })
}

function notFound(): GatewayError {
  return new GatewayError('session_not_found', 'Session not found')
}
