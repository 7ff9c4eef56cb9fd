/** Which session a request belongs to, and whether its terms allow what the request says. (requirements section 6) */
import { GatewayError, isCode } from '../errors.ts'
import type { ClientSession } from '../exchange/exchange.ts'
import type { Message } from '../exchange/message.ts'
import { BATCH_VERSION, HEADER } from '../protocol.ts'
import { ANY_UPSTREAM } from '../session/session-record.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Awaitable, ServerConfig } from '../types.ts'
import type { Eras } from '../upstream/eras.ts'
import type { Upstreams } from '../upstream/upstreams.ts'
import { andThen } from '../util/awaitable.ts'
import { checkVersion } from './accept.ts'
import type { InboundRequest } from './inbound-request.ts'

/** Where sessions are found, and what they are checked against. */
interface SessionParts {
  readonly sessions: Sessions
  readonly upstreams: Upstreams
  readonly eras: Eras
}

/** The session that a message belongs to: none in the modern era, nor before a handshake. */
export function sessionOf(
  inbound: InboundRequest,
  message: Message,
  parts: SessionParts,
): Awaitable<ClientSession | undefined> {
  if (message.era === 'modern') return undefined
  const id = inbound.header(HEADER.sessionId)
  const opens = message.kind === 'request' && message.method === 'initialize'
  return andThen(opens ? liveSession(inbound, id, parts) : find(inbound, id, parts), (session) => {
    if (session) checkTerms(session, inbound, message)
    return session
  })
}

/** The session of a GET or DELETE; where there are no sessions, there is neither of them. (RT4) */
export async function ownSession(
  inbound: InboundRequest,
  config: ServerConfig,
  parts: SessionParts,
): Promise<ClientSession> {
  if (parts.eras.isModernOnly(config, parts.upstreams.of(inbound.server, config).id)) {
    throw new GatewayError('method_not_allowed', 'Method not allowed', { headers: { allow: 'POST' } })
  }
  const session = await find(inbound, inbound.header(HEADER.sessionId), parts)
  checkVersion(inbound.header(HEADER.protocolVersion), session.record.protocolVersion)
  return session
}

/** The live session that an `initialize` names, if any: an ended one does not keep a client from starting anew. */
async function liveSession(
  inbound: InboundRequest,
  id: string | undefined,
  parts: SessionParts,
): Promise<ClientSession | undefined> {
  if (id === undefined) return undefined
  try {
    return await find(inbound, id, parts)
  } catch (error) {
    if (isCode(error, 'session_not_found')) return undefined
    throw error
  }
}

/** A session is good for the upstream it was opened at, and for no other that the name may stand for by now. */
function find(
  { server, principal, config }: InboundRequest,
  id: string | undefined,
  { sessions, upstreams }: SessionParts,
): Awaitable<ClientSession> {
  return andThen(sessions.find(id, server, principal?.id ?? ''), (session) => {
    const { upstream } = session.record.upstream
    if (upstream === ANY_UPSTREAM || upstream === upstreams.of(server, config!).id) return session
    throw new GatewayError('session_not_found', 'Session not found')
  })
}

/** Throws for what a session does not allow: another revision, or a batch where there are none. */
function checkTerms({ record: { protocolVersion } }: ClientSession, inbound: InboundRequest, message: Message): void {
  checkVersion(inbound.header(HEADER.protocolVersion), protocolVersion)
  if (message.kind === 'batch' && protocolVersion > BATCH_VERSION) {
    throw new GatewayError('invalid_request', `Revision ${protocolVersion} has no batches`)
  }
}
