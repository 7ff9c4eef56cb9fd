/** Finds the session of a request, and checks what its negotiated revision allows. (requirements section 6) */
import { GatewayError, isCode } from '../errors.ts'
import type { ClientSession } from '../exchange/exchange.ts'
import type { Message } from '../exchange/message.ts'
import { BATCH_VERSION, HEADER, LEGACY_VERSIONS } from '../protocol.ts'
import type { SessionHabits } from '../session/session-habits.ts'
import { ANY_UPSTREAM } from '../session/session-record.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Awaitable, ServerConfig } from '../types.ts'
import type { Eras } from '../upstream/eras.ts'
import { bridgesSessions } from '../upstream/server-kind.ts'
import type { Upstreams } from '../upstream/upstreams.ts'
import { andThen } from '../util/awaitable.ts'
import { checkVersion } from './accept.ts'
import type { InboundRequest } from './inbound-request.ts'

/** The state that finding and checking a session needs. */
interface SessionParts {
  readonly sessions: Sessions
  readonly sessionHabits: SessionHabits
  /** Whether the gateway opens sessions for every server, even for one without sessions of its own. */
  readonly alwaysSessions: boolean
  readonly upstreams: Upstreams
  readonly eras: Eras
}

/** The session of a message; `undefined` in the modern era, before the handshake, and at servers without sessions. */
export function sessionOf(
  inbound: InboundRequest,
  message: Message,
  parts: SessionParts,
): Awaitable<ClientSession | undefined> {
  if (message.era === 'modern') return undefined
  const id = inbound.header(HEADER.sessionId)
  const opens = message.kind === 'request' && message.method === 'initialize'
  if (id === undefined) {
    if (!opens) checkSessionless(inbound, message, parts)
    return undefined
  }
  return andThen(opens ? liveSession(inbound, id, parts) : find(inbound, id, parts), (session) => {
    if (session) checkRevision(session, inbound, message)
    return session
  })
}

/**
 * The session of a GET or DELETE, `undefined` where the server may have none. A modern-only server allows neither (RT4),
 * but its era may be learnt from other clients, so a live session takes precedence.
 */
export async function ownSession(
  inbound: InboundRequest,
  config: ServerConfig,
  parts: SessionParts,
): Promise<ClientSession | undefined> {
  const id = inbound.header(HEADER.sessionId)
  const session = id === undefined ? undefined : await liveSession(inbound, id, parts)
  if (session) {
    checkVersion(inbound.header(HEADER.protocolVersion), session.record.protocolVersion)
    return session
  }
  const isModernOnly = parts.eras.isModernOnly(config, parts.upstreams.of(inbound.server, config).id)
  // A bridged server has had sessions, so the id of an ended one gets 404, on which its client starts over.
  if (isModernOnly && (id === undefined || !bridgesSessions(config))) {
    throw new GatewayError('method_not_allowed', 'Method not allowed', { headers: { allow: 'POST' } })
  }
  if (id !== undefined) throw new GatewayError('session_not_found', 'Session not found')
  checkSessionless(inbound, undefined, parts)
  return undefined
}

/**
 * Throws `session_required` for a message without a session id at a server that is known to have sessions. Other
 * messages are forwarded and the server decides, because a node that has seen no handshake cannot tell. Without
 * `MCP-Protocol-Version` the revision is the one that has no such header. (HD5)
 */
function checkSessionless(inbound: InboundRequest, message: Message | undefined, parts: SessionParts): void {
  const { alwaysSessions, sessionHabits, upstreams } = parts
  if (alwaysSessions || sessionHabits.hasSessions(upstreams.of(inbound.server, inbound.config!).id)) {
    throw new GatewayError('session_required', 'Mcp-Session-Id is required')
  }
  const version = inbound.header(HEADER.protocolVersion) ?? BATCH_VERSION
  if (message?.kind === 'batch' && LEGACY_VERSIONS.includes(version)) checkBatch(version)
}

/** The live session of an id, if any. A client may name an ended session and open a new one. */
async function liveSession(
  inbound: InboundRequest,
  id: string,
  parts: SessionParts,
): Promise<ClientSession | undefined> {
  try {
    return await find(inbound, id, parts)
  } catch (error) {
    if (isCode(error, 'session_not_found')) return undefined
    throw error
  }
}

/** Finds a session, which is valid only for the upstream where it was opened: the name's config may have changed. */
function find(
  { server, principal, config }: InboundRequest,
  id: string,
  { sessions, upstreams }: SessionParts,
): Awaitable<ClientSession> {
  return andThen(sessions.find(id, server, principal?.id ?? ''), (session) => {
    const { upstream, bridge } = session.record.upstream
    const isHere = upstream === ANY_UPSTREAM || upstream === upstreams.of(server, config!).id
    if (isHere && (!bridge || bridgesSessions(config!))) return session
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
  if (message.kind === 'batch') checkBatch(protocolVersion)
}

function checkBatch(version: string): void {
  if (version > BATCH_VERSION) throw new GatewayError('invalid_request', `Revision ${version} has no batches`)
}
