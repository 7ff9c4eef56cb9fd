/** The members of an aggregate: which there are, and which of them a principal has. */
import type { Exchange } from '../../exchange/exchange.ts'
import type { AggregateServer, Awaitable, MemberKind, MemberServer } from '../../types.ts'
import { andThen, isPromise } from '../../util/awaitable.ts'
import { inHookTime } from '../../util/hook-timeout.ts'
import { isDictionary, kindOf } from '../../util/json.ts'
import { alternatives, unknownKey } from '../../util/unknown-key.ts'
import { checkMember } from '../check-member.ts'
import { isAggregate } from '../server-kind.ts'

export interface Member {
  readonly name: string
  /** The name under which the gateway knows it: `aggregate/member`, which no URL has as a server's name. */
  readonly server: string
  readonly config: MemberServer
}

export const MEMBER_KINDS: readonly MemberKind[] = ['tools', 'prompts', 'resources']

const DEFAULT_SEPARATOR = '__'

/** What a member may be called: it begins names of tools, and schemes of URIs. (RFC 3986, 3.1) */
const MEMBER_NAME = /^[A-Za-z][A-Za-z0-9-]{0,31}$/

const SEPARATOR = /^[A-Za-z0-9_.-]{1,8}$/

/** The type makes the compiler require every key. */
const AGGREGATE_KEYS: Readonly<Record<keyof AggregateServer, true>> = {
  members: true,
  separator: true,
  show: true,
  scopes: true,
  intercept: true,
  title: true,
  description: true,
  tags: true,
  version: true,
}

/** By the object that a config or its function answers. */
const knownMembers = new WeakMap<object, { readonly server: string; readonly members: readonly Member[] }>()

export function separatorOf({ separator = DEFAULT_SEPARATOR }: AggregateServer): string | false {
  return separator
}

/** Throws a TypeError that names the fault and the cure. Answers the members, if they are a record. */
export function checkAggregate(server: string, config: AggregateServer): readonly Member[] {
  const fault = (what: string): TypeError => new TypeError(`Server ${JSON.stringify(server)}: ${what}`)
  const unknown = unknownKey(config, AGGREGATE_KEYS)
  if (unknown !== undefined) {
    const cure = alternatives(unknown, AGGREGATE_KEYS)
    throw fault(`${JSON.stringify(unknown)} is not a key of an aggregate's config; ${cure}`)
  }
  const { members, show } = config
  const separator = separatorOf(config)
  if (separator !== false && (typeof separator !== 'string' || !SEPARATOR.test(separator))) {
    throw fault(`"separator" must be up to 8 letters, digits, "_", "-" or ".", or false, not ${kindOf(separator)}`)
  }
  if (show !== undefined && typeof show !== 'function') {
    throw fault(
      `"show" must be a function ({ principal, member, kind }) that answers true or false, not ${kindOf(show)}`,
    )
  }
  return typeof members === 'function' ? [] : readMembers(server, members, config, false)
}

/** All members, for the principal of this exchange. */
export function allMembers(exchange: Exchange): Awaitable<readonly Member[]> {
  const { origin } = exchange
  const config = exchange.config as AggregateServer
  const { members } = config
  if (typeof members !== 'function') return readMembers(origin.server, members, config, false)
  const answer = inHookTime(origin.bind(members)({ principal: origin.principal }), '"members" of an aggregate')
  return andThen(answer, (found) => readMembers(origin.server, found, config, true))
}

/** The members of which the principal has something of this kind, or anything at all. */
export function membersFor(exchange: Exchange, kind?: MemberKind): Awaitable<readonly Member[]> {
  const { show } = exchange.config as AggregateServer
  return andThen(allMembers(exchange), (members) => {
    if (!show) return members
    const shown = members.map((member) => hasShown(exchange, member, kind))
    return andThen(allOf(shown), (answers) => members.filter((_, index) => answers[index]))
  })
}

/** Whether the principal has something of this kind of the member, or anything at all. */
export function hasShown(exchange: Exchange, { name }: Member, kind?: MemberKind): Awaitable<boolean> {
  const { show } = exchange.config as AggregateServer
  if (!show) return true
  const { origin } = exchange
  const { principal } = origin
  const ask = (each: MemberKind): Awaitable<boolean> =>
    andThen(inHookTime(origin.bind(show)({ principal, member: name, kind: each }), '"show"'), isYes)
  if (kind) return ask(kind)
  return andThen(allOf(MEMBER_KINDS.map(ask)), (answers) => answers.includes(true))
}

/** All answers, synchronously unless one is a promise. */
function allOf(answers: readonly Awaitable<boolean>[]): Awaitable<readonly boolean[]> {
  return answers.some(isPromise) ? Promise.all(answers.map(async (answer) => answer)) : (answers as readonly boolean[])
}

function isYes(answer: unknown): boolean {
  if (typeof answer === 'boolean') return answer
  throw new TypeError(`"show" of an aggregate must answer true or false, not ${kindOf(answer)}`)
}

function readMembers(server: string, given: unknown, config: AggregateServer, isLookedUp: boolean): readonly Member[] {
  const before = isDictionary(given) ? knownMembers.get(given) : undefined
  if (before?.server === server) return before.members
  const fault = (what: string): TypeError => new TypeError(`Server ${JSON.stringify(server)}: ${what}`)
  if (!isDictionary(given)) {
    throw fault(`"members" must be a record { name: { url } }, or a function that answers one, not ${kindOf(given)}`)
  }
  const members = Object.entries(given).map(([name, member]) => {
    if (!MEMBER_NAME.test(name)) {
      throw fault(`a member's name is up to 32 letters, digits and "-", first a letter, not ${JSON.stringify(name)}`)
    }
    if (isAggregate(member))
      throw fault(`member ${JSON.stringify(name)} is an aggregate, which has no place in another`)
    const own = `${server}/${name}`
    checkMember(own, member as MemberServer, isLookedUp)
    return { name, server: own, config: member as MemberServer }
  })
  checkNames(members, separatorOf(config), fault)
  knownMembers.set(given, { server, members })
  return members
}

/** Names that begin alike could not be told apart in the name of a tool; a scheme of a URI has no upper case. */
function checkNames(members: readonly Member[], separator: string | false, fault: (what: string) => TypeError): void {
  for (const one of members) {
    for (const other of members) {
      if (one === other) continue
      const both = `the members ${JSON.stringify(one.name)} and ${JSON.stringify(other.name)}`
      if (one.name.toLowerCase() === other.name.toLowerCase()) throw fault(`${both} differ by upper case alone`)
      if (separator !== false && other.name.startsWith(one.name + separator)) {
        throw fault(`${both} begin alike: choose another "separator"`)
      }
    }
  }
}
