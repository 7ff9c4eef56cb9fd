/** Serves modern clients of a legacy server: answers what has no counterpart there, and translates all other requests. */
import { randomBytes } from 'node:crypto'
import { GatewayError } from '../../../errors.ts'
import { answer, jsonReply } from '../../../exchange/answer.ts'
import type { Exchange } from '../../../exchange/exchange.ts'
import { type RequestMessage, responseText } from '../../../exchange/message.ts'
import type { EmptyReply, Handle, Reply } from '../../../exchange/reply.ts'
import { LISTEN_METHOD, META, MODERN_VERSIONS } from '../../../protocol.ts'
import { SealingKeys } from '../../../util/sealing-keys.ts'
import type { BridgeParts } from '../bridge-parts.ts'
import { KnownTools } from '../legacy-client/known-tools.ts'
import { isRemoved, modernServerCapabilities, NOT_CACHED } from '../tables.ts'
import { readEnvelope } from './legacy-request.ts'
import { ModernCall, type ModernCallTools } from './modern-call.ts'
import { OpenQuestions } from './open-questions.ts'
import { RequestStates, STATE_PURPOSE } from './request-state.ts'
import { SessionPool } from './session-pool.ts'
import { Subscriptions } from './subscriptions.ts'

const NOTED: EmptyReply = { kind: 'empty', status: 202, headers: {} }

export class ModernClients {
  readonly #pool: SessionPool
  readonly #questions: OpenQuestions
  readonly #subscriptions: Subscriptions
  readonly #tools: ModernCallTools

  constructor(parts: BridgeParts) {
    const { keys, upstreamOf, responseMs, endSession, report } = parts
    const upstreamIdOf = ({ path, config }: Exchange): string => upstreamOf(path.at(-1)!, config).id
    this.#pool = new SessionPool({
      upstreamIdOf,
      responseMs,
      endSession,
      onError: report,
      onNews: (group, session, method, params) => this.#subscriptions.tell(group, session, method, params),
      onGap: (group) => this.#subscriptions.repeat(group),
      onLost: (group, session) => this.#subscriptions.move(group, session),
    })
    this.#subscriptions = new Subscriptions(this.#pool)
    const sealing =
      keys === undefined ? SealingKeys.random(STATE_PURPOSE) : new SealingKeys('"keys"', keys, STATE_PURPOSE)
    const states = new RequestStates(sealing)
    this.#questions = new OpenQuestions({ ...parts, pool: this.#pool, states, isShared: keys !== undefined })
    const own = randomBytes(9).toString('base64url')
    let ids = 0
    const nextId = (): string => `bridge-${own}-${(ids += 1)}`
    this.#tools = {
      pool: this.#pool,
      questions: this.#questions,
      states,
      knownTools: new KnownTools(),
      upstreamIdOf,
      nextId,
    }
  }

  /** The number of sessions at servers, of questions that wait here, and their bytes. */
  get load(): { readonly sessions: number; readonly questions: number; readonly bytes: number } {
    return { sessions: this.#pool.size, ...this.#questions.load }
  }

  handle(exchange: Exchange, next: Handle): Promise<Reply> | Reply {
    const { message } = exchange
    if (message?.kind !== 'request') return NOTED
    if (isRemoved(message.method)) throw new GatewayError('method_not_found', 'Method not found')
    if (message.method === 'server/discover') return this.#discover(exchange, message, next)
    if (message.method === LISTEN_METHOD) return this.#subscriptions.open(exchange, message, next)
    return answer(exchange, (out) => new ModernCall(exchange, next, out, this.#tools).run())
  }

  /** Ends all sessions at servers. Calls that wait have been stopped before. */
  close(): void {
    this.#questions.close()
    this.#pool.close()
  }

  /** Says what the server has said in its handshake. (ST7) */
  async #discover(exchange: Exchange, message: RequestMessage, next: Handle): Promise<Reply> {
    const session = await this.#pool.get(exchange, next, readEnvelope(message), false)
    const { capabilities, serverInfo, instructions } = session.offered
    const result = {
      resultType: 'complete',
      supportedVersions: MODERN_VERSIONS,
      capabilities: modernServerCapabilities(capabilities, session.hears),
      ...(typeof instructions === 'string' && { instructions }),
      ...NOT_CACHED,
      _meta: { [META.serverInfo]: serverInfo },
    }
    this.#pool.leave(session)
    return jsonReply(responseText(message.id, { result }))
  }
}
