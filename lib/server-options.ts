/** Checks the option `servers`: each server of a record, and each member of an aggregate in it. */
import { scopeRulesOf } from './inbound/access/scopes.ts'
import { checkInterceptors } from './layers/interceptors/interceptor-set.ts'
import type { AggregateServer, GatewayOptions, Principal, ServerConfig, ServerLookup } from './types.ts'
import { isAggregate } from './upstream/server-kind.ts'
import { checkServer } from './upstream/upstreams.ts'
import { inspect } from './util/option-checks.ts'

/** Throws a TypeError that names the server and the cure. */
export function parseServers<P extends Principal>(given: GatewayOptions<P>): ServerLookup<P> {
  const { servers, authenticate } = given
  if (typeof servers === 'function') return servers
  const byName = new Map<string, ServerConfig<P>>(Object.entries(servers))
  for (const [name, config] of byName) {
    checkServer(name, config)
    scopeRulesOf(name, config)
    checkInterceptors(`Server ${inspect(name)}: "intercept"`, config.intercept)
    if (config.scopes && authenticate === false) {
      throw new TypeError(`Server ${inspect(name)}: "scopes" lets nobody in with "authenticate: false"`)
    }
    if (isAggregate(config)) checkMembers(name, config, given)
  }
  return (name) => byName.get(name)
}

/** The most members of an aggregate whose sessions fit in the record of a store that seals it in the session's id. */
const MAX_SEALED_MEMBERS = 24

/** Checks what of the members `checkServer` cannot: their scopes and interceptors, and that the store can keep them. */
function checkMembers(
  name: string,
  { members }: AggregateServer,
  { authenticate, sessions }: Pick<GatewayOptions, 'authenticate' | 'sessions'>,
): void {
  if (typeof members === 'function') return
  const all = Object.entries(members)
  if (sessions && !sessions.update && all.length > MAX_SEALED_MEMBERS) {
    const limit = `at most ${MAX_SEALED_MEMBERS} members with a session store without "update"`
    throw new TypeError(`Server ${inspect(name)}: an aggregate may have ${limit}, not ${all.length}`)
  }
  for (const [member, config] of all) {
    const server = `${name}/${member}`
    scopeRulesOf(server, config)
    checkInterceptors(`Server ${inspect(server)}: "intercept"`, config.intercept)
    if (config.scopes && authenticate === false) {
      throw new TypeError(`Server ${inspect(server)}: "scopes" lets nobody in with "authenticate: false"`)
    }
  }
}
