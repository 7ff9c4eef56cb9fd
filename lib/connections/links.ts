/** The links to pages where users connect: one open link for each user and server, each for ten minutes and one answer. */
import { EventEmitter, once } from 'node:events'
import { randomBytes } from 'node:crypto'
import type { ConnectionSubject, LinkOptions, LinkOutcome } from '../exchange/connections.ts'
import { storeKey } from '../stores/login-store-key.ts'
import type { LoginStore } from '../types.ts'
import type { Kept, LinkRecord, SealedRecords } from './records.ts'
import type { WantedAccess } from './services.ts'

export const LINK_MS: number = 10 * 60_000
/** What is left of a link for it to be given out again. */
const LEAST_LEFT_MS = 60_000
/** How long it is known what a user answered, for those who wait. */
const OUTCOME_MS = 2 * 60_000
/** How many links are open at most: the oldest are over. */
const MAX_LINKS_PER_USER = 50
const MAX_LINKS = 10_000
/** How often the store is asked what became of a link that is answered at another node. */
const LOOK_AGAIN_MS = 500
/** How often a link of another node is looked for, before a new one takes its place. */
const MAX_TRIES = 3

export interface OpenLink {
  readonly id: string
  readonly record: LinkRecord
}

export class Links {
  readonly #store: LoginStore
  readonly #records: SealedRecords
  readonly #opening = new Map<string, Promise<OpenLink>>()
  /** The next look at what became of a link, shared by all who wait for it. */
  readonly #looking = new Map<string, Promise<LinkRecord | undefined>>()
  /** Emits the id of a link that was answered here. */
  readonly #answered = new EventEmitter().setMaxListeners(0)

  constructor(store: LoginStore, records: SealedRecords) {
    this.#store = store
    this.#records = records
  }

  /** The open link for what is wanted, or a new one. */
  async open(subject: ConnectionSubject, wanted: WantedAccess, options: LinkOptions = {}): Promise<OpenLink> {
    const key = storeKey('open', JSON.stringify([subject.user, subject.url]))
    const opening = this.#opening.get(key)
    if (opening) return opening
    const link = this.#open(key, subject, wanted, options).finally(() => this.#opening.delete(key))
    this.#opening.set(key, link)
    return link
  }

  /** A link that was not answered, or was answered just now; `undefined` for any other. */
  find(id: string): Promise<Kept<LinkRecord> | undefined> {
    return this.#records.get<LinkRecord>(linkKey(id))
  }

  /** Ends a link by the answer of its user; only the first one counts. */
  async answer(id: string, state: 'connected' | 'declined'): Promise<void> {
    const answered = (record: LinkRecord): LinkRecord | undefined =>
      record.state === 'open' ? { ...record, state } : undefined
    await this.#records.change(linkKey(id), answered, () => OUTCOME_MS)
    this.#answered.emit(eventOf(id))
  }

  async waitFor(id: string, user: string, timeoutMs: number, given: AbortSignal | undefined): Promise<LinkOutcome> {
    const limit = AbortSignal.timeout(timeoutMs)
    const signal = given ? AbortSignal.any([limit, given]) : limit
    const stopped = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    for (let link = (await this.find(id))?.record; ;) {
      if (!link || link.user !== user) return 'expired'
      if (link.state !== 'open') return link.state
      if (signal.aborted) return 'pending'
      const look = this.#look(id)
      await Promise.race([look, stopped])
      if (!signal.aborted) link = await look
    }
  }

  /** Looks again when the link is answered here, and otherwise after a while. */
  #look(id: string): Promise<LinkRecord | undefined> {
    const looking = this.#looking.get(id)
    if (looking) return looking
    const look = this.#lookLater(id).finally(() => this.#looking.delete(id))
    this.#looking.set(id, look)
    return look
  }

  async #lookLater(id: string): Promise<LinkRecord | undefined> {
    await once(this.#answered, eventOf(id), { signal: AbortSignal.timeout(LOOK_AGAIN_MS) }).catch(() => {})
    return (await this.find(id))?.record
  }

  async #open(
    key: string,
    { user, server, url }: ConnectionSubject,
    wanted: WantedAccess,
    { returnTo, title, agent }: LinkOptions,
    attempts = MAX_TRIES,
  ): Promise<OpenLink> {
    const before = await this.#records.get<string>(key)
    const found = before && (await this.find(before.record))
    if (found && isStillFor(found.record, wanted)) {
      const open = { id: before.record, record: found.record }
      return returnTo === undefined ? open : this.#lead(open, returnTo)
    }
    const id = randomBytes(18).toString('base64url')
    const record: LinkRecord = {
      user,
      server,
      url,
      title,
      agent,
      ...wanted,
      returnTo,
      state: 'open',
      endsAt: Date.now() + LINK_MS,
    }
    await this.#records.set(linkKey(id), this.#records.seal(linkKey(id), record), { ttlMs: LINK_MS })
    const isFirst = await this.#records.set(key, this.#records.seal(key, id), {
      ttlMs: LINK_MS,
      // What cannot be opened was sealed with a secret that is gone: in the end it is written over.
      ...(before ? { if: before.raw } : { ifAbsent: attempts > 0 }),
    })
    if (!isFirst) {
      // Another node was faster: the user gets one link.
      await this.#store.delete(linkKey(id))
      return this.#open(key, { user, server, url }, wanted, { returnTo, title, agent }, attempts - 1)
    }
    await this.#bound(user, linkKey(id))
    return { id, record }
  }

  /** Lets an open link lead somewhere else afterwards. */
  async #lead({ id, record }: OpenLink, returnTo: string): Promise<OpenLink> {
    const led = (now: LinkRecord): LinkRecord | undefined => (now.state === 'open' ? { ...now, returnTo } : undefined)
    const { kept } = await this.#records.change(linkKey(id), led, ({ endsAt }) => Math.max(1, endsAt - Date.now()))
    return { id, record: kept?.record ?? record }
  }

  async #bound(user: string, key: string): Promise<void> {
    const over = [
      ...(await this.#store.add(storeKey('links', user), key, { ttlMs: LINK_MS, max: MAX_LINKS_PER_USER })),
      ...(await this.#store.add(storeKey('links', ''), key, { ttlMs: LINK_MS, max: MAX_LINKS })),
    ]
    for (const each of over) await this.#store.delete(each)
  }
}

function eventOf(id: string): string {
  return `answered ${id}`
}

function linkKey(id: string): string {
  return storeKey('link', id)
}

function isStillFor(record: LinkRecord, { issuer, resource, scopes }: WantedAccess): boolean {
  const isSame = record.issuer === issuer && record.resource === resource
  const isOpen = record.state === 'open' && record.endsAt - Date.now() > LEAST_LEFT_MS
  return isSame && isOpen && scopes.every((scope) => record.scopes.includes(scope))
}
