/** Answers handshakes: of all members at once, of which those that are late join the session afterwards. */
import { randomBytes } from 'node:crypto'
import { GatewayError, isCode } from '../../errors.ts'
import { jsonReply } from '../../exchange/answer.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Lifetime } from '../../exchange/lifetime.ts'
import { type RequestMessage, responseText } from '../../exchange/message.ts'
import { readResponse } from '../../exchange/read-response.ts'
import type { Reply } from '../../exchange/reply.ts'
import { RpcError, rpcErrorOf } from '../../rpc-error.ts'
import { LEGACY_VERSIONS, META, MODERN_ERRORS, MODERN_VERSIONS } from '../../protocol.ts'
import type { UpstreamState } from '../../types.ts'
import { type JsonObject, member as memberOf } from '../../util/json.ts'
import { handshakeNeeded } from '../eras.ts'
import { type AggregateParts, enter, sendToMember } from './aggregate-parts.ts'
import type { Absences } from './absences.ts'
import { endMember } from './farewell.ts'
import { FIXED_CAPABILITIES, aggregateIdentity, instructionsOf } from './identity.ts'
import { isConnectionRequired, missingOf, nobodyAnswers } from './lists.ts'
import type { MemberSessions } from './member-sessions.ts'
import { withMember } from './member-state.ts'
import { type Member, membersFor } from './members.ts'

/** The revision for a client that asks for one that is not known. */
const LATEST = LEGACY_VERSIONS.at(-1)!

interface HandshakeParts {
  readonly parts: AggregateParts
  readonly absences: Absences
  readonly sessions: MemberSessions
}

/** A member's answer to a handshake. */
interface Greeting {
  readonly result: unknown
  readonly state: UpstreamState | undefined
}

type Greeted = { readonly member: Member } & (Greeting | { readonly fault: unknown })

/** Opens the sessions of all members, and one of the aggregate. Rejects when no member answers. */
export async function initializeAll(exchange: Exchange, upstreamId: string, tools: HandshakeParts): Promise<Reply> {
  const { parts, sessions } = tools
  const message = exchange.message as RequestMessage
  const members = await membersFor(exchange)
  const requested = message.params?.['protocolVersion']
  const protocolVersion = LEGACY_VERSIONS.find((version) => version === requested) ?? LATEST
  const handshake: JsonObject = message.params ?? {}
  const isKept = parts.sessionsAreShared() && !parts.isTooMuch({ handshake })
  const id = randomBytes(9).toString('base64url')
  const outcomes = await Promise.all(
    members.map((member) =>
      greet(exchange, member, tools, (greeting) => {
        if (isKept)
          sessions.keepLate(
            id,
            member,
            greeting.then(({ state }) => state ?? Promise.reject(noMemberSession())),
          )
        else void greeting.then(({ state }) => state && endMember(exchange, member, state, parts)).catch(() => {})
      }),
    ),
  )
  throwIfNobody(outcomes, exchange)
  const there = outcomes.flatMap((outcome) =>
    'state' in outcome && outcome.state ? [{ name: outcome.member.name, own: outcome.state }] : [],
  )
  const needsClient = isKept || there.some(({ own }) => own.client !== undefined)
  const root: UpstreamState = {
    upstream: upstreamId,
    protocolVersion,
    id,
    ...(needsClient && { client: { handshake } }),
  }
  const opened = there.reduce<UpstreamState>((state, { name, own }) => withMember(state, name, own), {
    ...root,
    members: {},
  })
  const result = {
    protocolVersion,
    capabilities: FIXED_CAPABILITIES,
    serverInfo: aggregateIdentity(exchange),
    ...partsOf(outcomes),
  }
  return { ...jsonReply(responseText(message.id, { result })), opened }
}

/** What the members say of themselves, as one server. Rejects when no member answers. */
export async function discoverAll(exchange: Exchange, tools: HandshakeParts): Promise<Reply> {
  const message = exchange.message as RequestMessage
  const members = await membersFor(exchange)
  const outcomes = await Promise.all(
    members.map((member) => greet(exchange, member, tools, (late) => void late.catch(() => {}))),
  )
  throwIfNobody(outcomes, exchange)
  const { _meta, ...parts } = partsOf(outcomes)
  const result = {
    resultType: 'complete',
    supportedVersions: MODERN_VERSIONS,
    capabilities: FIXED_CAPABILITIES,
    ...parts,
    ttlMs: 0,
    cacheScope: 'private',
    _meta: { ..._meta, [META.serverInfo]: aggregateIdentity(exchange) },
  }
  return jsonReply(responseText(message.id, { result }))
}

/** Sends the handshake to a member. One that is late goes on, and is passed to `onLate`. Never rejects. */
async function greet(
  exchange: Exchange,
  member: Member,
  { parts, absences, sessions }: HandshakeParts,
  onLate: (greeting: Promise<Greeting>) => void,
): Promise<Greeted> {
  const { life, end: over } = sessions.lifeOf(exchange)
  const off = exchange.origin.onGone(() => life.stop(new GatewayError('bad_request', 'The client went away')))
  const greeting = say(exchange, member, life, parts).finally(() => {
    off()
    over()
  })
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), absences.patienceMs(member)).unref()
  })
  try {
    const said = await Promise.race([greeting, late])
    if (said) {
      absences.answered(member, exchange.origin.principal?.id)
      return { member, ...said }
    }
    off()
    onLate(greeting)
    throw new GatewayError('upstream_timeout', 'The server did not answer in time')
  } catch (fault) {
    absences.note(member, fault, exchange)
    return { member, fault }
  } finally {
    clearTimeout(timer)
  }
}

async function say(exchange: Exchange, member: Member, life: Lifetime, parts: AggregateParts): Promise<Greeting> {
  const { id, method } = exchange.message as RequestMessage
  const reply = await sendToMember(enter(exchange, member, undefined, {}, life), member, parts)
  const response = await readResponse(reply, undefined, { id })
  if (life.stopped) throw life.stopped
  if (response?.error !== undefined) throw rpcErrorOf(response.error)
  if (!response || (method === 'initialize' && !reply.opened)) throw noMemberSession()
  return { result: response.result, state: reply.opened }
}

/** Also tells a client of both eras to fall back to a handshake, if no member has gone beyond that. (CL10) */
function throwIfNobody(outcomes: readonly Greeted[], exchange: Exchange): void {
  const faults = outcomes.flatMap((outcome) => ('fault' in outcome ? [outcome.fault] : []))
  if (faults.length === 0 || faults.length < outcomes.length) return
  if (exchange.message?.era === 'modern' && faults.every(saysLegacy)) throw handshakeNeeded()
  throw nobodyAnswers(faults)
}

function saysLegacy(error: unknown): boolean {
  if (isConnectionRequired(error)) return false
  if (error instanceof RpcError) return !MODERN_ERRORS.has(error.code)
  return isCode(error, 'bad_request') || (isCode(error, 'upstream_refused') && (error as GatewayError).status < 500)
}

function partsOf(outcomes: readonly Greeted[]): { readonly instructions?: string; readonly _meta?: JsonObject } {
  const instructions = instructionsOf(
    outcomes.flatMap((outcome) =>
      'result' in outcome ? [[outcome.member.name, memberOf(outcome.result, 'instructions')] as const] : [],
    ),
  )
  const missing = missingOf(outcomes.flatMap((outcome) => ('fault' in outcome ? [outcome] : [])))
  return {
    ...(instructions !== undefined && { instructions }),
    ...(Object.keys(missing).length > 0 && { _meta: missing }),
  }
}

function noMemberSession(): GatewayError {
  return new GatewayError('upstream_invalid', 'The server agreed to no revision')
}
