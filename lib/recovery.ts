/** Opens an upstream's session anew when the upstream has forgotten it, so that its client need not notice. (SS8) */
import { GatewayError } from './errors.ts'
import type { Exchange, Handle } from './exchange.ts'
import { member } from './json.ts'
import { HEADER } from './protocol.ts'
import type { Sessions } from './session/sessions.ts'
import type { Answer, Recovery, Reply, Session, SessionRecord } from './types.ts'
import { addVersion } from './upstream/headers.ts'

/** What recovery has others do. */
interface RecoveryTools {
  readonly handle: Handle
  readonly sessions: Sessions
  readonly readAnswer: (reply: Reply) => Promise<Answer | undefined>
}

export class Recoveries {
  readonly #tools: RecoveryTools
  /** Sessions that are being opened anew: who comes meanwhile waits for the same. */
  readonly #running = new Map<string, Promise<Session>>()

  constructor(tools: RecoveryTools) {
    this.#tools = tools
  }

  /** Takes notice of what the upstream would have to be told again. */
  async note({ config, session, message }: Exchange): Promise<void> {
    if (!config.recover || !session || message?.kind !== 'request') return
    const change = CHANGES.get(message.method)
    if (!change) return
    const { sessions } = this.#tools
    const record = await sessions.get(session.id)
    if (record?.recovery) {
      await sessions.update(session.id, { ...record, recovery: change(record.recovery, message.params) })
    }
  }

  /**
   * The exchange again, in a session that the upstream knows. It refused the first one unprocessed, so nothing happens
   * twice. Rejects when there is nothing to recover from, or the upstream does not agree to it.
   */
  async again(exchange: Exchange): Promise<Exchange> {
    const { session, headers } = exchange
    if (!session) throw new Error('Outside a session there is nothing to recover')
    const recovered = await this.#recover(exchange, session)
    // Its event ids were the old session's.
    const { 'last-event-id': _, ...kept } = headers
    return exchange.with({ session: recovered, headers: kept })
  }

  async #recover(exchange: Exchange, session: Session): Promise<Session> {
    const record = await this.#tools.sessions.get(session.id)
    if (!record?.recovery) throw gone()
    if (record.upstream !== session.record.upstream) return { id: session.id, record }
    const running = this.#running.get(session.id) ?? this.#open(exchange, { id: session.id, record }, record.recovery)
    this.#running.set(session.id, running)
    try {
      return await running
    } finally {
      this.#running.delete(session.id)
    }
  }

  async #open(exchange: Exchange, { id, record }: Session, recovery: Recovery): Promise<Session> {
    const { upstream: _, ...unbound } = record
    const [reply, answer] = await this.#ask(exchange, undefined, 'initialize', recovery.handshake)
    const upstream = reply.headers[HEADER.sessionId]
    const agreed = member(member(answer?.message, 'result'), 'protocolVersion')
    if (agreed !== record.protocolVersion) throw gone()
    const anew: SessionRecord = { ...unbound, ...(typeof upstream === 'string' && { upstream }) }
    const session = { id, record: anew }
    await this.#tell(exchange, session, { method: 'notifications/initialized' })
    if (recovery.logLevel !== undefined) await this.#ask(exchange, session, 'logging/setLevel', recovery.logLevel)
    for (const params of Object.values(recovery.subscriptions ?? {})) {
      await this.#ask(exchange, session, 'resources/subscribe', params)
    }
    await this.#tools.sessions.update(id, anew)
    return session
  }

  async #ask(
    exchange: Exchange,
    session: Session | undefined,
    method: string,
    params: unknown,
  ): Promise<readonly [Reply, Answer | undefined]> {
    const reply = await this.#tell(exchange, session, { id: 'recovery', method, params })
    const answer = await this.#tools.readAnswer(reply)
    reply.body.drain()
    return [reply, answer]
  }

  async #tell(exchange: Exchange, session: Session | undefined, message: object): Promise<Reply> {
    const headers = session ? addVersion({}, session.record.protocolVersion) : {}
    const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message }))
    return this.#tools.handle(exchange.with({ method: 'POST', session, headers, message: undefined, body }))
  }
}

type Change = (recovery: Recovery, params: unknown) => Recovery

/** How the requests of a client change what its next session has to be told. */
const CHANGES: ReadonlyMap<string, Change> = new Map<string, Change>([
  ['logging/setLevel', (recovery, params) => ({ ...recovery, logLevel: params })],
  [
    'resources/subscribe',
    (recovery, params) => ({ ...recovery, subscriptions: { ...recovery.subscriptions, [uriOf(params)]: params } }),
  ],
  [
    'resources/unsubscribe',
    (recovery, params) => {
      const { [uriOf(params)]: _, ...rest } = recovery.subscriptions ?? {}
      return { ...recovery, subscriptions: rest }
    },
  ],
])

function uriOf(params: unknown): string {
  return String(member(params, 'uri'))
}

function gone(): GatewayError {
  return new GatewayError('session_not_found', 'Session not found')
}
