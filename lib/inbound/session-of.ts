/** Finds the session of a request, and checks what its negotiated revision allows. (requirements section 6) */
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

/** The state that finding and checking a session needs. */
interface SessionParts {
  readonly sessions: Sessions
  readonly upstreams: Upstreams
  readonly eras: Eras
}

/** The session of a message; `undefined` in the modern era, and for an `initialize` that names no live session. */
export function sessionOf(
  inbound: InboundRequest,
  message: Message,
  parts: SessionParts,
): Awaitable<ClientSession | undefined> {
  if (message.era === 'modern') return undefined
  const id = inbound.header(HEADER.sessionId)
  const opens = message.kind === 'request' && message.method === 'initialize'
  return andThen(opens ? liveSession(inbound, id, parts) : find(inbound, id, parts), (session) => {
    if (session) checkRevision(session, inbound, message)
    return session
  })
}

/** The session of a GET or DELETE. Throws `method_not_allowed` for a modern-only server, which has no sessions. (RT4) */
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

/** The live session that an `initialize` names, if any. A client may name an ended session and open a new one. */
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

/** A session is valid only for the upstream where it was opened: the server's name may have another one by now. */
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

/** Throws `bad_request` for an unknown revision, and `invalid_request` for a batch where the revision has none. */
function checkRevision(
  { record: { protocolVersion } }: ClientSession,
  inbound: InboundRequest,
  message: Message,
): void {
  checkVersion(inbound.header(HEADER.protocolVersion), protocolVersion)
  if (message.kind === 'batch' && protocolVersion > BATCH_VERSION) {
    throw new GatewayError('invalid_request', `Revision ${protocolVersion} has no batches`)
  }
}
