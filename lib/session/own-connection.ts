/** The way for the gateway's own clients, such as the directory, to call a server on behalf of a principal. */
import { Exchange } from '../exchange/exchange.ts'
import type { Connection, Subject } from '../exchange/gateway-internals.ts'
import { Lifetime } from '../exchange/lifetime.ts'
import type { Handle } from '../exchange/reply.ts'
import { gatewayOrigin } from './upstream-session.ts'

export function ownConnection(subject: Subject, handle: Handle): Connection {
  const { server, config } = subject
  const parts = { life: new Lifetime(), config, path: [server], verb: 'POST', state: undefined } as const
  const origin = gatewayOrigin(subject, 'legacy')
  return { parent: new Exchange({ ...parts, origin, message: undefined, headers: {} }), handle }
}
