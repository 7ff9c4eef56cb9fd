/** Finds whose a name or a URI is, where it does not say so itself: bare ones, and names that were shortened. */
import type { Exchange } from '../../exchange/exchange.ts'
import type { AggregateServer, Awaitable } from '../../types.ts'
import { andThen } from '../../util/awaitable.ts'
import { WeightedMap } from '../../util/weighted-map.ts'
import { ask } from './aggregate-parts.ts'
import { type ListKind, RESOURCES, TEMPLATES } from './list-kinds.ts'
import { type Member, membersFor, separatorOf } from './members.ts'
import { advertisedName, mayBeShortened } from './names.ts'
import type { Part } from './pages.ts'
import { matchesTemplate } from './uri-template.ts'
import { memberUri } from './uris.ts'

/** How long what the members list is remembered, and how soon it may be asked for again, in milliseconds. */
const NAMES_MS = 30_000
const AGAIN_MS = 1_000

/** How many lists are remembered, in number and in bytes, and how many names of each. */
const MAX_NAME_LISTS = 1_000
const MAX_NAME_BYTES = 16 * 1024 * 1024
const MAX_NAMES = 10_000

/** How much of a session's id tells it from others, in characters: a sealed one is long. */
const WHOSE_CHARS = 32

/** What a name costs beside its characters, in bytes. */
const PER_NAME_BYTES = 64

/** How many pages of lists of one member are followed, 64 pages each. */
const MAX_CONTINUATIONS = 4

type ReadList = (
  exchange: Exchange,
  member: Member,
  list: ListKind,
  cursor: string | undefined,
  readers: number,
) => Promise<Part>

/** A name or a URI as its member knows it. */
export interface Owned {
  readonly member: Member
  readonly name: string
}

/** The names in a list of all members, each with its members. */
type Names = ReadonlyMap<string, readonly Member[]>

interface NamesEntry {
  readonly server: string
  readonly readAt: number
  readonly names: Promise<Names>
}

export class Owners {
  readonly #read: ReadList
  readonly #nextId: () => string
  /** By server, list, and session or principal, since members may show each other things. */
  readonly #lists = new WeightedMap<NamesEntry>(MAX_NAME_LISTS, MAX_NAME_BYTES)

  constructor(read: ReadList, nextId: () => string) {
    this.#read = read
    this.#nextId = nextId
  }

  /** Whose tool or prompt a name is. */
  ofName(exchange: Exchange, list: ListKind, advertised: string): Awaitable<Owned | undefined> {
    const separator = separatorOf(exchange.config as AggregateServer)
    return andThen(membersFor(exchange, list.kind), (members): Awaitable<Owned | undefined> => {
      if (separator === false) return this.#ofBare(exchange, list, members, advertised)
      const member = members.find(
        ({ name }) => advertised.startsWith(name) && advertised.startsWith(separator, name.length),
      )
      if (!member) return undefined
      const literal = advertised.slice(member.name.length + separator.length)
      if (!mayBeShortened(advertised)) return { member, name: literal }
      return this.#ofShortened(exchange, list, member, separator, { advertised, literal })
    })
  }

  /** A name that looks shortened: the member's list tells of which it is, or that it is not. */
  async #ofShortened(
    exchange: Exchange,
    list: ListKind,
    member: Member,
    separator: string,
    { advertised, literal }: { readonly advertised: string; readonly literal: string },
  ): Promise<Owned> {
    const isIt = (name: string): boolean => advertisedName(member.name, separator, name) === advertised
    const found = await this.#search(exchange, list, [member], (names) => [...names.keys()].find(isIt))
    return { member, name: found ?? literal }
  }

  /** Whose resource a URI is; also the URI of a template. */
  async ofUri(exchange: Exchange, advertised: string, isTemplate = false): Promise<Owned | undefined> {
    const members = await membersFor(exchange, 'resources')
    if (separatorOf(exchange.config as AggregateServer) !== false) {
      const own = memberUri(advertised)
      const member = members.find(({ name }) => name.toLowerCase() === own?.member.toLowerCase())
      return member && { member, name: own!.uri }
    }
    const list = isTemplate ? TEMPLATES : RESOURCES
    const named = await this.#ofBare(exchange, list, members, advertised)
    return named ?? (isTemplate ? undefined : this.#ofTemplate(exchange, members, advertised))
  }

  /** Forgets what the members of a server list, since it has changed. */
  forget(server: string): void {
    this.#lists.deleteWhere((entry) => entry.server === server)
  }

  async #ofBare(
    exchange: Exchange,
    list: ListKind,
    members: readonly Member[],
    name: string,
  ): Promise<Owned | undefined> {
    const owners = await this.#search(exchange, list, members, (names) => names.get(name))
    const [member, ...others] = owners ?? []
    return member && others.length === 0 ? { member, name } : undefined
  }

  async #ofTemplate(exchange: Exchange, members: readonly Member[], uri: string): Promise<Owned | undefined> {
    const matching = (names: Names): readonly Member[] | undefined => {
      const found = [...names].flatMap(([template, owners]) => (matchesTemplate(template, uri) ? owners : []))
      return found.length > 0 ? [...new Set(found)] : undefined
    }
    const [member, ...others] = (await this.#search(exchange, TEMPLATES, members, matching)) ?? []
    return member && others.length === 0 ? { member, name: uri } : undefined
  }

  /** Searches what is remembered, and then what the members list now. */
  async #search<T>(
    exchange: Exchange,
    list: ListKind,
    members: readonly Member[],
    find: (names: Names) => T | undefined,
  ): Promise<T | undefined> {
    const { origin } = exchange
    const whose = origin.session?.id.slice(-WHOSE_CHARS) ?? origin.principal?.id ?? ''
    const key = JSON.stringify([origin.server, list.method, whose, members.map(({ name }) => name)])
    const before = this.#lists.get(key)
    const now = performance.now()
    if (before && now - before.readAt < NAMES_MS) {
      const found = find(await before.names)
      if (found !== undefined || now - before.readAt < AGAIN_MS) return found
    }
    // Others may wait for the same, so that it does not end with this request.
    const asking = ask(exchange, list.method, this.#nextId(), exchange.life.detach())
    const names = this.#namesOf(asking, list, members)
    const entry = { server: origin.server, readAt: now, names }
    this.#lists.set(key, entry, key.length)
    const read = await names
    if (this.#lists.get(key) === entry) this.#lists.set(key, entry, key.length + bytesOfNames(read))
    return find(read)
  }

  async #namesOf(exchange: Exchange, list: ListKind, members: readonly Member[]): Promise<Names> {
    const names = new Map<string, Member[]>()
    await Promise.all(
      members.map(async (member) => {
        let cursor: string | undefined
        for (let round = 0; round < MAX_CONTINUATIONS; round += 1) {
          const part = await this.#read(exchange, member, list, cursor, members.length)
          for (const { items } of part.pages) for (const { name } of items) addOwner(names, name, member)
          cursor = part.cursor
          if (cursor === undefined || part.fault !== undefined) break
        }
      }),
    )
    return names
  }
}

function bytesOfNames(names: Names): number {
  let bytes = 0
  for (const name of names.keys()) bytes += 2 * name.length + PER_NAME_BYTES
  return bytes
}

function addOwner(names: Map<string, Member[]>, name: string, member: Member): void {
  const owners = names.get(name)
  if (owners?.includes(member)) return
  if (owners) owners.push(member)
  else if (names.size < MAX_NAMES) names.set(name, [member])
}
