/** Decides for each request which token it gets, and asks the user where there is none: the hook, and the broker. */
import {
  type ConnectionBroker,
  type ConnectionLink,
  ConnectionRequired,
  type ConnectionSubject,
  type LinkOptions,
  type LinkOutcome,
} from '../exchange/connections.ts'
import type { Awaitable, HeadersContext, Principal } from '../types.ts'
import { member, nonEmptyText } from '../util/json.ts'
import { type BearerChallenge, bearerChallengeIn } from './challenge.ts'
import { connectionKey, type Connections, JUST_ISSUED_MS, type TokenHeaders } from './connections.ts'
import type { Links, OpenLink } from './links.ts'
import type { ConnectionsConfig } from './options.ts'
import type { KeptConnection } from './refreshes.ts'
import { cannotConnect } from './service-fault.ts'
import type { Services } from './services.ts'

export interface ConnectionAskerParts {
  readonly config: ConnectionsConfig
  readonly connections: Connections
  readonly links: Links
  readonly services: Services
}

const MAX_AGENT_LENGTH = 100

export class ConnectionAsker implements ConnectionBroker {
  readonly #parts: ConnectionAskerParts

  constructor(parts: ConnectionAskerParts) {
    this.#parts = parts
  }

  /** The `headers` function. A server decides by itself what it lets users do who have not connected. */
  headers({ principal, server, url, refused, challenge }: HeadersContext): Awaitable<TokenHeaders> {
    if (!principal)
      throw new TypeError('userConnections: without "authenticate" there is no user to connect an account')
    const subject = { user: principal.id, server, url }
    if (!refused) return this.#parts.connections.headersFor(subject)
    return this.#better(subject, refused, bearerChallengeIn(challenge), { agent: agentOf(principal) })
  }

  async statusOf(subject: ConnectionSubject): Promise<'connected' | 'none'> {
    return (await this.#parts.connections.find(canonicalSubject(subject))) ? 'connected' : 'none'
  }

  async linkFor(subject: ConnectionSubject, options: LinkOptions = {}): Promise<ConnectionLink> {
    return this.#link(canonicalSubject(subject), bearerChallengeIn(undefined), options)
  }

  waitFor(link: string, { user, timeoutMs, signal }: Parameters<ConnectionBroker['waitFor']>[1]): Promise<LinkOutcome> {
    return this.#parts.links.waitFor(link, user, timeoutMs, signal)
  }

  async disconnect(subject: ConnectionSubject): Promise<void> {
    await this.#parts.connections.disconnect(subject.user, connectionKey(canonicalSubject(subject)))
  }

  /** After a refusal: other headers, or the same ones where others would be of no use, or the question. */
  async #better(
    subject: ConnectionSubject,
    refused: TokenHeaders,
    challenge: BearerChallenge,
    options: LinkOptions,
  ): Promise<TokenHeaders> {
    const { connections } = this.#parts
    const kept = await connections.find(subject)
    if (!kept?.record.tokens) throw await this.#question(subject, challenge, options)
    const { access, issuedAt } = kept.record.tokens
    const current = { authorization: `Bearer ${access}` }
    // Another request, or another node, has replaced it already.
    if (refused['authorization'] !== current.authorization) return current
    if (challenge.error === 'insufficient_scope') {
      const { scopes } = kept.record
      if (challenge.scopes.every((scope) => scopes.includes(scope))) return refused
      const all = { ...challenge, scopes: [...new Set([...scopes, ...challenge.scopes])] }
      throw await this.#question(subject, all, options)
    }
    // To ask the user for yet another one would never end.
    if (Date.now() - issuedAt < JUST_ISSUED_MS) throw refusedFresh(subject, kept)
    const next = await connections.replace(subject, kept)
    if (next) return next
    throw await this.#question(subject, challenge, options)
  }

  async #question(
    subject: ConnectionSubject,
    challenge: BearerChallenge,
    options: LinkOptions,
  ): Promise<ConnectionRequired> {
    return new ConnectionRequired(await this.#link(subject, challenge, options), this)
  }

  async #link(subject: ConnectionSubject, challenge: BearerChallenge, options: LinkOptions): Promise<ConnectionLink> {
    const { links, services, config } = this.#parts
    const returnTo = options.returnTo === undefined ? undefined : new URL(options.returnTo, config.origin)
    if (returnTo && returnTo.origin !== config.origin) {
      throw new TypeError(`userConnections: "returnTo" must be a URL of ${config.origin}`)
    }
    const wanted = await services.wantedBy(subject, challenge)
    return this.#shown(await links.open(subject, wanted, { ...options, returnTo: returnTo?.href }))
  }

  #shown({ id, record: { server, title = server, issuer } }: OpenLink): ConnectionLink {
    const { origin, path } = this.#parts.config
    const service = new URL(issuer).host
    const message = `To use ${title}, connect your account at ${service}:`
    return { id, url: `${origin}${path}/link/${id}`, server, service, message }
  }
}

function canonicalSubject({ user, server, url }: ConnectionSubject): ConnectionSubject {
  return { user, server, url: new URL(url).href }
}

/** The name of the agent, where `agentLogin()` let it in. */
function agentOf(principal: Principal): string | undefined {
  return nonEmptyText(member(principal, 'client'), 'name')?.slice(0, MAX_AGENT_LENGTH)
}

function refusedFresh({ url }: ConnectionSubject, { record }: KeptConnection): Error {
  return cannotConnect(`${new URL(url).origin} refuses a token that ${record.issuer} has just issued`)
}
