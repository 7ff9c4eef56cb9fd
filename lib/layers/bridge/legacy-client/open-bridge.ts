/** Answers a legacy client's handshake with the result of `server/discover`. (LC1, ST7) */
import { GatewayError } from '../../../errors.ts'
import { jsonReply } from '../../../exchange/answer.ts'
import type { Exchange } from '../../../exchange/exchange.ts'
import { type RequestMessage, responseText } from '../../../exchange/message.ts'
import type { Handle, Reply } from '../../../exchange/reply.ts'
import { UpstreamClient } from '../../../exchange/upstream-client.ts'
import { RpcError } from '../../../rpc-error.ts'
import { META, MODERN_VERSIONS } from '../../../protocol.ts'
import { isTooMuch } from '../../../session/session-record.ts'
import type { ClientState, UpstreamState } from '../../../types.ts'
import { isObject, type JsonObject, member } from '../../../util/json.ts'
import type { BridgeParts } from '../bridge-parts.ts'
import { clientEnvelopeOf } from './modern-request.ts'
import { BRIDGED_VERSIONS, isHeard, legacyCapabilities, offersIn } from '../tables.ts'

/** Resolves with the reply to a handshake, and the state that its session stores. */
export async function openBridge(exchange: Exchange, next: Handle, parts: BridgeParts): Promise<Reply> {
  const { id, params } = exchange.message as RequestMessage
  const requested = member(params, 'protocolVersion')
  const protocolVersion = BRIDGED_VERSIONS.find((version) => version === requested) ?? BRIDGED_VERSIONS.at(-1)!
  const client: ClientState = { handshake: introductionOf(params) }
  if (isTooMuch(client)) throw new GatewayError('invalid_request', 'The handshake is too long')
  const upstream = parts.upstreamOf(exchange.path.at(-1)!, exchange.config).id
  const before: UpstreamState = { upstream, protocolVersion, client, bridge: { offers: [] } }
  const discovered = await askForOffers(exchange.with({ state: before }), next, parts)
  const capabilities = legacyCapabilities(objectOf(discovered['capabilities']), parts.sessionsAreShared)
  const offers = offersIn(capabilities)
  const opened: UpstreamState = { ...before, bridge: { offers }, ...(!isHeard(offers) && { silent: true }) }
  const { instructions } = discovered
  const result = {
    protocolVersion,
    capabilities,
    serverInfo: serverInfoOf(discovered, exchange),
    ...(typeof instructions === 'string' && { instructions }),
  }
  return { ...jsonReply(responseText(id, { result })), opened }
}

/** The part of a handshake that the session stores: what each modern request must repeat. */
function introductionOf(params: JsonObject | undefined): JsonObject {
  const clientInfo = member(params, 'clientInfo')
  return {
    capabilities: objectOf(member(params, 'capabilities')),
    ...(isObject(clientInfo) && { clientInfo }),
  }
}

/**
 * Sends `server/discover`, for `responseMs` at most. Ends when the client disconnects, unless its lifetime is detached from
 * the client's request: then others need it, too, such as a session of an aggregate that its member joins late.
 */
async function askForOffers(exchange: Exchange, next: Handle, { responseMs }: BridgeParts): Promise<JsonObject> {
  const { life, origin } = exchange
  const own = life.child()
  const late = (): void => own.stop(new GatewayError('upstream_timeout', 'The server did not answer in time'))
  const timer = responseMs > 0 ? setTimeout(late, responseMs).unref() : undefined
  const off = life.isDetached
    ? undefined
    : origin.onGone(() => own.stop(new GatewayError('bad_request', 'The client went away')))
  const parent = exchange.fork({ state: undefined, message: undefined }, own)
  const envelope = clientEnvelopeOf(exchange)
  const client = new UpstreamClient({ handle: next, parent, era: 'modern', envelope, state: undefined })
  try {
    const result = await client.request('server/discover')
    const versions = result['supportedVersions']
    if (Array.isArray(versions) && versions.includes(MODERN_VERSIONS[0])) return result
    throw new GatewayError('upstream_invalid', 'The server speaks no revision that is known here')
  } catch (error) {
    if (!(error instanceof RpcError)) throw error
    throw new GatewayError('upstream_invalid', 'The server does not say what it offers', { cause: error })
  } finally {
    clearTimeout(timer)
    off?.()
    own.end()
  }
}

/** `serverInfo` is required in legacy revisions, but optional in 2026-07-28. */
function serverInfoOf(discovered: JsonObject, { origin }: Exchange): JsonObject {
  const info = member(discovered['_meta'], META.serverInfo)
  return { name: origin.server, version: '', ...objectOf(info) }
}

function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {}
}
