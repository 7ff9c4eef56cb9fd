/** Which protocol eras an upstream supports, by its config, or learnt from its answers for a limited time. */
import { GatewayError } from '../errors.ts'
import type { Message } from '../exchange/message.ts'
import { HEADER, LEGACY_VERSIONS, MODERN_VERSIONS } from '../protocol.ts'
import type { ServerConfig } from '../types.ts'
import { boundedSet } from '../util/bounded-map.ts'
import { member } from '../util/json.ts'
import { bridgesModern, bridgesSessions, protocolOf } from './server-kind.ts'

/** How long a lesson lasts, in milliseconds. */
const MEMORY_MS = 5 * 60_000

/** How many upstreams are remembered. */
const MAX_UPSTREAMS = 1_000

/**
 * Errors with which a server refuses every handshake. A missing-capability error is left out: it depends on the client.
 */
const REFUSALS: ReadonlySet<unknown> = new Set([-32020, -32022])

/** Whether every legacy server accepts the handshake: it names a legacy revision, and no header contradicts it. */
export function isOrdinaryHandshake(message: Message | undefined, headers: Readonly<Record<string, string>>): boolean {
  if (message?.kind !== 'request' || message.method !== 'initialize') return false
  const { [HEADER.protocolVersion]: version, [HEADER.method]: method, [HEADER.name]: name } = headers
  const isKnown = (revision: unknown): boolean => LEGACY_VERSIONS.includes(revision as string)
  const says = (method === undefined || method === message.method) && name === undefined
  return says && isKnown(member(message.params, 'protocolVersion')) && (version === undefined || isKnown(version))
}

/** The error that makes a client of both eras fall back to the handshake. (CL10) */
export function handshakeNeeded(): GatewayError {
  return new GatewayError('bad_request', 'This server speaks revisions with a handshake')
}

export class Eras {
  /** Upstreams that refused the handshake with a modern error: upstream id to the time at which the entry expires. */
  readonly #modernOnly = new Map<string, number>()
  /** Whether upstreams that were asked support modern requests. */
  readonly #speaksModern = new Map<string, { readonly speaks: boolean; readonly until: number }>()

  /** Whether an upstream is known to have no sessions. */
  isModernOnly(config: ServerConfig, upstreamId: string): boolean {
    const protocol = protocolOf(config)
    if (protocol !== 'auto') return protocol === 'modern'
    return (this.#modernOnly.get(upstreamId) ?? 0) > performance.now()
  }

  /** Whether an upstream supports modern requests; `undefined` until it has been asked. */
  speaksModern(config: ServerConfig, upstreamId: string): boolean | undefined {
    const protocol = protocolOf(config)
    if (protocol !== 'auto') return protocol === 'modern'
    const known = this.#speaksModern.get(upstreamId)
    if (known && known.until > performance.now()) return known.speaks
    return this.isModernOnly(config, upstreamId) ? true : undefined
  }

  /** Keeps what an upstream that was asked has answered. */
  learnModern(upstreamId: string, speaks: boolean): void {
    boundedSet(this.#speaksModern, MAX_UPSTREAMS, upstreamId, { speaks, until: performance.now() + MEMORY_MS })
  }

  /**
   * Throws for a message of an era that the config excludes and no bridge serves: `bad_request`, which makes a client of
   * both eras fall back to the handshake, or `unsupported_version`, which lists the supported revisions. (CL10)
   */
  check(config: ServerConfig, message: Message): void {
    const protocol = protocolOf(config)
    if (protocol === 'auto' || protocol === message.era) return
    if (message.era === 'legacy' ? bridgesSessions(config) : bridgesModern(config)) return
    if (protocol === 'legacy') throw handshakeNeeded()
    const requested = message.kind === 'request' ? member(message.params, 'protocolVersion') : undefined
    throw new GatewayError('unsupported_version', 'Unsupported protocol version', {
      data: { supported: MODERN_VERSIONS, requested },
    })
  }

  /** Forgets what was learnt of an upstream: it has turned out to be wrong. */
  unlearn(upstreamId: string): void {
    this.#modernOnly.delete(upstreamId)
    this.#speaksModern.delete(upstreamId)
  }

  /**
   * Learns from the answer to a handshake that was in order: to one that was not, an error says nothing of the server.
   */
  learn(upstreamId: string, answer: unknown): void {
    this.#modernOnly.delete(upstreamId)
    const error = member(answer, 'error')
    if (!REFUSALS.has(member(error, 'code'))) return
    const supported = member(member(error, 'data'), 'supported')
    if (Array.isArray(supported) && supported.some((version) => LEGACY_VERSIONS.includes(version as string))) return
    this.#speaksModern.delete(upstreamId)
    boundedSet(this.#modernOnly, MAX_UPSTREAMS, upstreamId, performance.now() + MEMORY_MS)
  }
}
