/** The config of an aggregate, and what its hooks are given. */
import type { Awaitable, Hook, Principal } from './common.ts'
import type { MemberServer, ServerInfo } from './servers.ts'

/** What of a server an aggregate shows or hides: its tools, its prompts, or its resources and resource templates. */
export type MemberKind = 'tools' | 'prompts' | 'resources'

/** The argument of a `members` function. */
export interface MembersContext<P extends Principal | undefined = Principal | undefined> {
  /** The authenticated principal; `undefined` with `authenticate: false`. */
  readonly principal: P
}

/** The argument of a `show` function. */
export interface ShowContext<P extends Principal | undefined = Principal | undefined> {
  /** The authenticated principal; `undefined` with `authenticate: false`. */
  readonly principal: P
  /** The member's name. */
  readonly member: string
  readonly kind: MemberKind
}

/** The members of an aggregate by name, or a function that answers them; it is asked for every message. */
export type Members<P extends Principal | undefined = Principal | undefined> =
  | Readonly<Record<string, MemberServer<P>>>
  | Hook<[context: MembersContext<P>], Awaitable<Readonly<Record<string, MemberServer<P>>>>>

/** Several servers under one name: `aggregate()` makes one. */
export interface AggregateServer<P extends Principal | undefined = Principal | undefined> extends ServerInfo {
  readonly members: Members<P>
  /**
   * What stands between a member's name and that of its tool or prompt, up to 8 letters, digits, `_`, `-` or `.`. With
   * `false` names and URIs stay as they are, and one that two members have is nobody's. Defaults to `__`.
   */
  readonly separator?: string | false | undefined
  /** Whether a principal has a member's tools, prompts or resources. Asked for every message. Defaults to all. */
  readonly show?: Hook<[context: ShowContext<P>], Awaitable<boolean>> | undefined
}
