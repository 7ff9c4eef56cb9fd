/** What a gateway shows to the rest of the house: a directory is built on this and on nothing else of it. */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { GatewayError } from '../errors.ts'
import type { ErrorContext, Gateway, GatewayRequest, Principal, ServerConfig } from '../types.ts'
import type { Exchange } from './exchange.ts'
import type { Handle } from './reply.ts'

/** A server, and for whom it is asked. */
export interface Subject {
  readonly server: string
  readonly config: ServerConfig
  readonly principal: Principal | undefined
  readonly request: GatewayRequest
}

/** The gateway's own door to a server, for clients of our own. */
export interface Connection {
  /** Throws `closing` once the gateway closes. */
  readonly handle: Handle
  /** What such a client speaks for; stopping its lifetime gives up whatever is under way. */
  readonly parent: Exchange
}

/**
 * Told how asking an upstream went: whether anything sensible came back; and how it ended, where it was a process: its
 * exit code, or the signal.
 */
export type OnOutcome = (upstreamId: string, hasAnswered: boolean, exit?: number | string) => void

/** Writes an answer that is all there. `context` is for `onError`, should the client not take it. */
export type SendWhole = (
  response: ServerResponse,
  status: number,
  headers: OutgoingHttpHeaders,
  bytes?: Buffer,
  context?: Partial<ErrorContext>,
) => void

/** Every check that a client's message goes through is here too, and they are the same functions. */
export interface GatewayInternals {
  /** The option `path`. */
  readonly path: string
  /** The name of the server when `path` names none. */
  readonly onlyServer: string | undefined
  readonly publicUrl: URL | undefined
  /** The servers by name; `undefined` when they are looked up. */
  readonly servers: ReadonlyMap<string, ServerConfig> | undefined
  /** Throws when the Host or the Origin may not pass. */
  checkHostAndOrigin(request: GatewayRequest): void
  /** Who is asking. Throws `unauthorized`; `undefined` when everybody may. */
  authenticate(request: GatewayRequest, server: string): Promise<Principal | undefined>
  /** The server as the lookup has it now. Throws `not_found`. */
  lookUpServer(request: GatewayRequest, server: string, principal: Principal | undefined): Promise<ServerConfig>
  /** What to answer for a fault; `onError` is told what the answer hides. */
  faultOf(error: unknown, context: Partial<ErrorContext>): GatewayError
  connect(subject: Subject): Connection
  /** The one way to write an answer that is all there. */
  readonly send: SendWhole
  /** Has a gateway that closes wait for a promise that never rejects. */
  track(work: Promise<void>): void
  /** Names what answers behind a config. */
  upstreamId(server: string, config: ServerConfig): string
  /** From now on tells how each exchange with an upstream went, whoever caused it. */
  watch(onOutcome: OnOutcome): void
}

const internals = new WeakMap<Gateway, GatewayInternals>()

export function expose(gateway: Gateway, own: GatewayInternals): Gateway {
  internals.set(gateway, own)
  return gateway
}

/** `undefined` for what is no gateway. */
export function internalsOf(gateway: unknown): GatewayInternals | undefined {
  return internals.get(gateway as Gateway)
}
