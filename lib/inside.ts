/** What a gateway shows to the rest of the house: a directory is built on this and on nothing else of it. */
import type { Exchange } from './exchange.ts'
import type { GatewayError } from './errors.ts'
import type { Answer, ErrorContext, Gateway, GatewayRequest, Principal, Reply, ServerConfig, Session } from './types.ts'

/** How asking the upstream of a config went: whether anything sensible came back. */
export type OnOutcome = (config: ServerConfig, hasAnswered: boolean) => void

/** What upstreams are asked outside the sessions of clients. */
export interface Enquiries {
  /** Rejects with a GatewayError when there is no reply. */
  ask(exchange: Exchange): Promise<{ readonly headers: Reply['headers']; readonly answer: Answer | undefined }>
  /** Ends a session that was opened by asking. */
  leave(session: Session, exchange: Exchange): void
  /** From now on tells how each exchange with an upstream went, whoever caused it. */
  watch(onOutcome: OnOutcome): void
}

/** Every check a client's message goes through is here too, and they are the same functions. */
export interface Inside {
  /** The option `path`. */
  readonly path: string
  /** The name of the server when `path` names none. */
  readonly onlyServer: string | undefined
  readonly publicUrl: URL | undefined
  /** The servers by name; `undefined` when they are looked up. */
  readonly servers: ReadonlyMap<string, ServerConfig> | undefined
  /** Host and Origin. Throws when they may not pass. */
  admit(request: GatewayRequest): void
  /** Who is asking. Throws `unauthorized`; `undefined` when everybody may. */
  identify(request: GatewayRequest, server: string): Promise<Principal | undefined>
  /** The server as the lookup has it now. Throws `not_found`. */
  lookUp(request: GatewayRequest, server: string, principal: Principal | undefined): Promise<ServerConfig>
  /** What to answer for a fault; `onError` is told what the answer hides. */
  faultOf(error: unknown, context: Partial<ErrorContext>): GatewayError
  readonly enquiries: Enquiries
}

const insides = new WeakMap<Gateway, Inside>()

export function reveal(gateway: Gateway, inside: Inside): Gateway {
  insides.set(gateway, inside)
  return gateway
}

/** `undefined` for what is no gateway. */
export function insideOf(gateway: unknown): Inside | undefined {
  return insides.get(gateway as Gateway)
}
