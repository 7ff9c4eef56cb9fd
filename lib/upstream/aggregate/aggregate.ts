/** aggregate(): several servers under one name. */
import type { AggregateServer, Members, Principal } from '../../types.ts'
import { rejectUnknown } from '../../util/unknown-key.ts'
import { checkAggregate } from './members.ts'

export interface AggregateOptions<P extends Principal | undefined = Principal | undefined> {
  /**
   * What stands between a member's name and that of its tool or prompt, up to 8 letters, digits, `_`, `-` or `.`. With
   * `false` names and URIs stay as they are, and one that two members have is nobody's. Defaults to `__`.
   */
  readonly separator?: AggregateServer<P>['separator']
  /** Whether a principal has a member's tools, prompts or resources. Asked for every message. Defaults to all. */
  readonly show?: AggregateServer<P>['show']
}

/**
 * Several servers under one name and one URL: their tools and prompts as `member__name`, their resources as
 * `member+uri`. Members may be of any kind and of any revision; each keeps its own credentials, scopes, interceptors and
 * cache. One that is down is missing from lists, and its calls are errors, until it is back.
 *
 * @example
 * ```js
 * const servers = {
 *   desk: aggregate(
 *     { github: { url, headers }, files: stdio({ command }), notes: inProcess(connect) },
 *     { show: ({ principal, member }) => principal.team === 'sales' || member !== 'github' },
 *   ),
 * }
 * ```
 *
 * @throws {TypeError} for members that are no servers or are aggregates, for names that cannot be told apart, and for an
 * unknown option.
 */
export function aggregate<P extends Principal | undefined = Principal>(
  members: Members<P>,
  options: AggregateOptions<P> = {},
): AggregateServer<P> {
  rejectUnknown(options, { separator: true, show: true }, 'aggregate.')
  const { separator, show } = options
  const config = { members, ...(separator !== undefined && { separator }), ...(show !== undefined && { show }) }
  checkAggregate('aggregate', config)
  return config
}
