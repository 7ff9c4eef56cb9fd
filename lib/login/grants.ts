/** The grants: one for each authorization, in the store, with an index by user. */
import { randomBytes } from 'node:crypto'
import type { LoginStore } from '../types.ts'
import { storeKey } from '../stores/login-store-key.ts'
import type { AgentClient, ConnectedAgent } from './types.ts'

/** What a user allowed an agent, and how far its chain of refresh tokens has come. */
export interface GrantRecord {
  readonly user: string
  readonly client: AgentClient
  readonly server: string
  /** The server's title when the grant was made. */
  readonly title: string
  /** The canonical URI of the server, which is the audience of the tokens. */
  readonly resource: string
  readonly scopes: readonly string[]
  /** The times are in milliseconds since the epoch. */
  readonly since: number
  readonly endsAt: number
  /** The count of the newest refresh token. */
  readonly count: number
  /** When the last refresh tokens were replaced, the newest one last. */
  readonly replacedAt: readonly number[]
  readonly usedAt: number
}

export type NewGrant = Pick<GrantRecord, 'user' | 'client' | 'server' | 'title' | 'resource' | 'scopes'>

export interface GrantTimes {
  readonly refreshS: number
  readonly grantS: number
  readonly reuseS: number
}

/** How many clients one user may have, and how many grants of each: the oldest go. */
const MAX_CLIENTS = 100
const MAX_GRANTS_PER_CLIENT = 20

/** How many replaced refresh tokens are taken once more, however long `reuseS` is. */
const MAX_REPLACED = 128

/** How often a rotation is tried against others that rotate the same grant. */
const MAX_ATTEMPTS = 8

/**
 * What is kept of a grant that has ended, for longer than forms can be sent: one that is sent again must not bring the
 * grant back.
 */
const ENDED_GRANT = ''
const ENDED_MS = 2 * 600_000

/** What has become of a refresh token that is shown. */
export type TokenState = 'newest' | 'replaced' | 'reused'

export class Grants {
  readonly #store: LoginStore
  readonly #times: GrantTimes
  /** Tells every node that a grant has ended. */
  readonly #announce: (id: string) => Promise<void>

  constructor(store: LoginStore, times: GrantTimes, announce: (id: string) => Promise<void>) {
    this.#store = store
    this.#times = times
    this.#announce = announce
  }

  /**
   * Creates a grant. The id is chosen before the user answers, so that a form that is sent twice makes one grant;
   * resolves with `false` when the id is that of a grant of another user or client.
   */
  async create(id: string, grant: NewGrant): Promise<boolean> {
    const { user, client } = grant
    const now = Date.now()
    const record = {
      ...grant,
      since: now,
      endsAt: now + this.#times.grantS * 1_000,
      count: 0,
      replacedAt: [],
      usedAt: now,
    }
    // The index comes first: without it, a grant could not be listed and disconnected.
    const ttlMs = this.#times.grantS * 1_000
    const forgotten = await this.#store.add(clientsKey(user), client.id, { ttlMs, max: MAX_CLIENTS })
    const over = await this.#store.add(grantsKey(user, client.id), id, { ttlMs, max: MAX_GRANTS_PER_CLIENT })
    for (const each of forgotten) await this.endAll(user, { client: each })
    for (const each of over) await this.end(each)
    const options = { ttlMs: this.#ttlMs(record), ifAbsent: true }
    if (await this.#store.set(grantKey(id), JSON.stringify(record), options)) return true
    const found = await this.find(id)
    return found?.user === user && found.client.id === client.id
  }

  async find(id: string): Promise<GrantRecord | undefined> {
    return parseGrant(await this.#store.get(grantKey(id)))
  }

  /** What the count of a refresh token means now. */
  stateOf({ count, replacedAt }: GrantRecord, shown: number): TokenState {
    if (shown === count) return 'newest'
    const at = replacedAt.at(shown - count)
    return shown < count && at !== undefined && Date.now() - at <= this.#times.reuseS * 1_000 ? 'replaced' : 'reused'
  }

  /**
   * Replaces the refresh token with this count, unless another request or node has done so. Resolves with the record of
   * now, whose `count` is that of the successor; `undefined` when the grant has ended, or the token is reused.
   */
  async rotate(id: string, shown: number): Promise<GrantRecord | undefined> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const value = await this.#store.get(grantKey(id))
      const record = parseGrant(value)
      if (value === undefined || record === undefined) return undefined
      const state = this.stateOf(record, shown)
      if (state !== 'newest') return state === 'replaced' ? record : undefined
      const now = Date.now()
      const since = now - this.#times.reuseS * 1_000
      const recent = [...record.replacedAt.filter((at) => at >= since), now].slice(-MAX_REPLACED)
      const next = { ...record, count: record.count + 1, replacedAt: recent, usedAt: now }
      const options = { ttlMs: this.#ttlMs(next), if: value }
      if (await this.#store.set(grantKey(id), JSON.stringify(next), options)) return next
    }
    throw new Error('The grant is being refreshed by too many requests at once')
  }

  /** When the newest refresh token ends, in milliseconds since the epoch. */
  refreshEndsAt({ usedAt, endsAt }: GrantRecord): number {
    return Math.min(endsAt, usedAt + this.#times.refreshS * 1_000)
  }

  /** Ends a grant, and with it its codes and refresh tokens; its access tokens end when the nodes hear of it. */
  async end(id: string): Promise<void> {
    const record = parseGrant(await this.#store.take(grantKey(id)))
    await this.#store.set(grantKey(id), ENDED_GRANT, { ttlMs: ENDED_MS })
    await this.#announce(id)
    if (record) await this.#store.remove(grantsKey(record.user, record.client.id), id)
  }

  /** Ends the grants of a user: all, those of one client, or one alone. */
  async endAll(
    user: string,
    which: { readonly client?: string | undefined; readonly grant?: string | undefined } = {},
  ): Promise<void> {
    const { client, grant } = which
    for (const [id, record] of await this.#of(user, client)) {
      if (grant === undefined || grant === id) await this.end(id)
      else if (record === undefined) await this.end(id)
    }
  }

  /** The grants of a user that have not ended, the newest first. */
  async list(user: string, client?: string): Promise<readonly (readonly [id: string, record: GrantRecord])[]> {
    const found: [string, GrantRecord][] = []
    for (const [id, record] of await this.#of(user, client)) if (record) found.push([id, record])
    return found.toSorted(([, one], [, other]) => other.since - one.since)
  }

  async #of(user: string, client?: string): Promise<(readonly [string, GrantRecord | undefined])[]> {
    const clients = client === undefined ? await this.#store.members(clientsKey(user)) : [client]
    const listed: (readonly [id: string, client: string])[] = []
    for (const each of clients) {
      const members = await this.#store.members(grantsKey(user, each))
      if (members.length === 0) await this.#store.remove(clientsKey(user), each)
      for (const id of members) listed.push([id, each])
    }
    const found = await Promise.all(listed.map(async ([id, of]) => [id, await this.find(id), of] as const))
    // The index is written first: an id in it may be that of a grant of another user or client.
    return found.flatMap(([id, record, of]) =>
      record === undefined || (record.user === user && record.client.id === of) ? [[id, record] as const] : [],
    )
  }

  #ttlMs(record: GrantRecord): number {
    return Math.max(this.refreshEndsAt(record) - Date.now(), 1)
  }
}

/** What the list of connected agents shows of a grant. */
export function connectedAgent(grant: string, { client, server, scopes, since, usedAt }: GrantRecord): ConnectedAgent {
  return { client, grant, servers: { [server]: scopes }, since: new Date(since), lastUsed: new Date(usedAt) }
}

/** An id that nobody can guess. */
export function newGrantId(): string {
  return randomBytes(16).toString('base64url')
}

function parseGrant(value: string | undefined): GrantRecord | undefined {
  return value === undefined || value === ENDED_GRANT ? undefined : (JSON.parse(value) as GrantRecord)
}

const grantKey = (id: string): string => storeKey('grant', id)
const clientsKey = (user: string): string => storeKey('clients-of', user)
const grantsKey = (user: string, client: string): string => storeKey('grants-of', `${client} ${user}`)
