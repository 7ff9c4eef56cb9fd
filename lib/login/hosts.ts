/** The gateways that the login is attached to: their servers, and whether a user may use one. */
import type { Subject } from '../exchange/gateway-internals.ts'
import { ownConnection } from '../session/own-connection.ts'
import type { AccessHost, GatewayRequest, Principal } from '../types.ts'
import { accountsFor, type NeededAccount } from '../upstream/accounts.ts'
import { inHookTime } from '../util/hook-timeout.ts'
import type { LoginConfig } from './options.ts'
import type { AgentClient } from './types.ts'

/** A server of a gateway. */
export interface HostedServer {
  readonly name: string
  /** The canonical URI of its endpoint. */
  readonly resource: string
}

/** Who asks for a server: a user, by way of a client. */
export interface GrantSubject {
  readonly user: string
  readonly client: AgentClient
  readonly scopes: readonly string[]
  readonly grant: string | undefined
  readonly request: GatewayRequest
}

export class Hosts {
  readonly #hosts = new Set<AccessHost>()
  readonly #principal: LoginConfig['principal']

  constructor({ principal }: Pick<LoginConfig, 'principal'>) {
    this.#principal = principal
  }

  /** `attach` of the `authenticate` hook. */
  readonly attach = (host: AccessHost): (() => void) => {
    this.#hosts.add(host)
    return () => void this.#hosts.delete(host)
  }

  serverOf(resource: string): HostedServer | undefined {
    return this.#find(resource)?.server
  }

  /** The title of a server that the user may use; `undefined` for one that they may not. */
  async titleFor(resource: string, subject: GrantSubject): Promise<string | undefined> {
    const found = await this.#lookUp(resource, subject)
    return found && (found.config.title ?? found.server)
  }

  /** The accounts of the user's own that a server needs. */
  async accountsFor(resource: string, subject: GrantSubject): Promise<readonly NeededAccount[]> {
    const found = await this.#lookUp(resource, subject)
    return found ? accountsFor(ownConnection(found, unreachable).parent) : []
  }

  async #lookUp(
    resource: string,
    { user, client, scopes, grant, request }: GrantSubject,
  ): Promise<Subject | undefined> {
    const found = this.#find(resource)
    if (!found) return undefined
    const { host, server } = found
    const own = await this.ownMembers(user, { client, server: server.name })
    if (own === undefined) return undefined
    const granted = grant === undefined ? {} : { grant }
    const principal = { ...own, id: user, user, client, scopes, ...granted }
    const config = await host.lookUp(server.name, { principal, request })
    return config && { server: server.name, config, principal, request }
  }

  /** What the option `principal` answers; an empty object without one. `undefined` refuses the user. */
  async ownMembers(
    user: string,
    context: { readonly client: AgentClient; readonly server: string },
  ): Promise<object | undefined> {
    if (!this.#principal) return {}
    return (await inHookTime(this.#principal({ id: user }, context), '"principal" of agentLogin')) ?? undefined
  }

  end(test: (principal: Principal) => boolean): void {
    for (const host of this.#hosts) host.end(test)
  }

  /** Throws a TypeError while there is no gateway, since no server could be known. */
  #find(resource: string): { readonly host: AccessHost; readonly server: HostedServer } | undefined {
    if (this.#hosts.size === 0) throw new TypeError(NO_GATEWAY)
    for (const host of this.#hosts) {
      const server = host.serverOf(resource)
      if (server) return { host, server }
    }
    return undefined
  }
}

/** Nothing is sent to a server during the login. */
function unreachable(): never {
  throw new TypeError('The login sends nothing to servers')
}

const NO_GATEWAY =
  'agentLogin: no open gateway has "authenticate: login.authenticate"; a hook that calls it must be made with Object.assign(hook, login.authenticate)'
