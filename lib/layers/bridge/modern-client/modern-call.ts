/** Answers one request of a modern client: sends it to the legacy server, or goes on with the call that it has answered. */
import { GatewayError, isCode } from '../../../errors.ts'
import type { Answer, Out } from '../../../exchange/answer.ts'
import type { Exchange } from '../../../exchange/exchange.ts'
import { valueText } from '../../../exchange/json-text.ts'
import type { RequestMessage, ResponseMessage } from '../../../exchange/message.ts'
import { paramHeaderFault } from '../../../exchange/param-headers.ts'
import type { Handle } from '../../../exchange/reply.ts'
import { ASKING, URL_ELICITATION_REQUIRED } from '../../../protocol.ts'
import { isObject, member } from '../../../util/json.ts'
import type { KnownTools } from '../legacy-client/known-tools.ts'
import { isAskable, MAX_ASKING_ROUNDS, QUESTION_KINDS, RPC_ERROR } from '../tables.ts'
import { type Envelope, readEnvelope } from './legacy-request.ts'
import { failedAnswer, inputRequired, modernError, modernResult, ownError } from './modern-response.ts'
import type { OpenQuestions, Resumed } from './open-questions.ts'
import type { ServerQuestion } from './question.ts'
import { boundOf, type RequestStates } from './request-state.ts'
import { type ServerOutcome, ServerCall, type Waiting } from './server-call.ts'
import type { SessionPool } from './session-pool.ts'
import { jsonValue } from '../../../util/json-value.ts'

/** The capabilities for requests during which the client cannot be asked. (ST21) */
const NOT_ASKABLE = {}

const NOT_OPEN = 'The question is not open here: it was answered, has expired, or waits at another node'

export interface ModernCallTools {
  readonly pool: SessionPool
  readonly questions: OpenQuestions
  readonly states: RequestStates
  readonly knownTools: KnownTools
  readonly upstreamIdOf: (exchange: Exchange) => string
  readonly nextId: () => string
}

export class ModernCall {
  readonly #exchange: Exchange
  readonly #next: Handle
  readonly #out: Out
  readonly #tools: ModernCallTools
  readonly #message: RequestMessage
  readonly #envelope: Envelope
  readonly #upstreamId: string
  #boundTo: string | undefined

  constructor(exchange: Exchange, next: Handle, out: Out, tools: ModernCallTools) {
    this.#exchange = exchange
    this.#next = next
    this.#out = out
    this.#tools = tools
    this.#message = exchange.message as RequestMessage
    this.#envelope = readEnvelope(this.#message)
    this.#upstreamId = tools.upstreamIdOf(exchange)
  }

  /** What its states are bound to. Most requests have none. */
  get #bound(): string {
    return (this.#boundTo ??= boundOf(this.#exchange, this.#upstreamId))
  }

  get #waiting(): Waiting {
    const { progressToken, logLevel } = this.#envelope
    return { out: this.#out, progressToken, logLevel }
  }

  async run(): Promise<Answer> {
    const { method, params } = this.#message
    if (method === 'tools/call') this.#checkParamHeaders()
    const state = ASKING.has(method) ? member(params, 'requestState') : undefined
    return state === undefined ? this.#send(0) : this.#resume(state)
  }

  /** Throws `header_mismatch` where a tool that was listed wants other headers. (HD10, HD13) */
  #checkParamHeaders(): void {
    const { params } = this.#message
    const wanted = this.#tools.knownTools.annotatedOf(this.#exchange, this.#upstreamId, member(params, 'name'))
    const fault = paramHeaderFault(wanted, member(params, 'arguments'), this.#exchange.headers)
    if (fault !== undefined) throw new GatewayError('header_mismatch', fault)
  }

  /** Sends the request, once more in a new session if the server no longer knows the first one. (SS8) */
  async #send(round: number): Promise<Answer> {
    const { pool, nextId } = this.#tools
    const { capabilities, logLevel } = this.#envelope
    const isExclusive = ASKING.has(this.#message.method) && isAskable(capabilities)
    for (let attempt = 1; ; attempt += 1) {
      const session = await pool.get(this.#exchange, this.#next, this.#envelope, isExclusive)
      const call = new ServerCall(nextId(), session, isExclusive ? capabilities : NOT_ASKABLE)
      session.calls.add(call)
      if (isExclusive) session.owner = call
      const off = this.#exchange.life.adopt(call.life)
      try {
        if (isExclusive) await session.listen()
        await session.setLevel(logLevel)
        await call.start(this.#exchange, this.#next, this.#waiting)
      } catch (error) {
        this.#tools.questions.leave(call)
        if (!isCode(error, 'session_not_found') || attempt > 1) throw withoutSession(error)
        session.lose()
        continue
      } finally {
        off()
      }
      return this.#settle(call, round)
    }
  }

  /** Goes on with the call whose questions this request answers. The request itself is never sent again. */
  async #resume(state: unknown): Promise<Answer> {
    const { states, questions } = this.#tools
    const results = this.#results()
    if (typeof results === 'string')
      return ownError(this.#message.id, { code: RPC_ERROR.invalidParams, message: results })
    const known = states.read(state, this.#bound)
    if (known?.kind === 'again') return this.#sendAgain(known.round, results)
    const subject = { exchange: this.#exchange, next: this.#next, envelope: this.#envelope, bound: this.#bound }
    const resumed = known && (await questions.resume(known, subject))
    if (resumed) return this.#goOn(resumed, results)
    const elsewhere = known?.kind === 'held' ? await questions.answerElsewhere(known, subject, results) : undefined
    if (elsewhere === undefined) return this.#notOpen()
    const { serverInfo } = elsewhere
    if ('response' in elsewhere) return this.#complete(elsewhere.response, serverInfo, known!.round)
    return { text: inputRequired(this.#message.id, elsewhere.questions, elsewhere.state, serverInfo) }
  }

  async #goOn({ call, round, isOurs }: Resumed, results: ReadonlyMap<string, string>): Promise<Answer> {
    const off = this.#exchange.life.adopt(call.life)
    try {
      await call.answer(results, this.#waiting)
    } finally {
      off()
    }
    try {
      return await this.#settle(call, round)
    } catch (error) {
      // At another node the session may have ended since.
      if (!isOurs && isCode(error, 'upstream_broken')) return this.#notOpen()
      throw error
    }
  }

  /** The client's results by key, as JSON text; a text that says what is wrong with them. (ST26) */
  #results(): ReadonlyMap<string, string> | string {
    const { params, text } = this.#message
    const given = member(params, 'inputResponses')
    if (given === undefined) return new Map()
    const isGood = isObject(given) && Object.values(given).every(isObject)
    if (!isGood) return '"params.inputResponses" must be an object of results'
    return new Map(Object.keys(given).map((key) => [key, valueText(text, ['params', 'inputResponses', key])!]))
  }

  async #sendAgain(round: number, results: ReadonlyMap<string, string>): Promise<Answer> {
    const isOpened = [...results.values()].every((text) => member(jsonValue(text), 'action') === 'accept')
    if (results.size > 0 && isOpened) return this.#send(round)
    return failedAnswer(this.#message, 'The user did not open the URL that the server wants to be opened')
  }

  /** Waits for what the call brings: the response, or questions, which the client answers with its next request. */
  async #settle(call: ServerCall, round: number): Promise<Answer> {
    const off = this.#exchange.life.adopt(call.life)
    let outcome: ServerOutcome
    try {
      outcome = await call.outcome(this.#waiting)
    } catch (error) {
      this.#tools.questions.leave(call)
      throw withoutSession(error)
    } finally {
      off()
    }
    if ('questions' in outcome) return this.#ask(call, outcome.questions, round + 1)
    this.#tools.questions.leave(call)
    return this.#complete(outcome.response, call.session.offered.serverInfo, round)
  }

  #complete(response: ResponseMessage, serverInfo: unknown, round: number): Answer {
    const { error, result } = response
    if (error?.code === URL_ELICITATION_REQUIRED) return this.#askForUrls(error.data, serverInfo, round + 1)
    if (error !== undefined) return modernError(this.#message, response)
    if (this.#message.method === 'tools/list') this.#tools.knownTools.learn(this.#exchange, this.#upstreamId, result)
    return modernResult(this.#message, response, serverInfo)
  }

  async #ask(call: ServerCall, questions: readonly ServerQuestion[], round: number): Promise<Answer> {
    if (round > MAX_ASKING_ROUNDS) {
      call.life.stop(new GatewayError('bad_request', 'The server asks too often'))
      this.#tools.questions.leave(call)
      return failedAnswer(this.#message, 'The server asks too often')
    }
    const { serverInfo } = call.session.offered
    const state = await this.#tools.questions.keep(call, round, this.#bound, this.#exchange)
    return { text: inputRequired(this.#message.id, questions, state, serverInfo) }
  }

  /** The server has refused the request until its user has opened these URLs: it is sent again after that. */
  #askForUrls(data: unknown, serverInfo: unknown, round: number): Answer {
    const elicitations = member(data, 'elicitations')
    const wanted = (Array.isArray(elicitations) ? elicitations : []).map((each: unknown) => ({
      mode: 'url',
      url: member(each, 'url'),
      message: member(each, 'message'),
    }))
    const kind = QUESTION_KINDS.get('elicitation/create')!
    const isDeclared = wanted.every((params) => kind.isDeclared(this.#envelope.capabilities, params))
    const state = this.#tools.states.write({ kind: 'again', round }, this.#bound)
    if (wanted.length === 0 || !isDeclared || round > MAX_ASKING_ROUNDS || state === undefined) {
      return failedAnswer(this.#message, 'The server wants a URL to be opened, which the client has not declared')
    }
    const asked = wanted.map((params, index) => ({
      key: `elicitation_${index + 1}`,
      id: index,
      method: 'elicitation/create',
      params: JSON.stringify(params),
    }))
    return { text: inputRequired(this.#message.id, asked, state, serverInfo) }
  }

  #notOpen(): Answer {
    return ownError(this.#message.id, { code: RPC_ERROR.invalidParams, message: NOT_OPEN })
  }
}

/** A modern client has no session that it could open anew. */
function withoutSession(error: unknown): unknown {
  if (!isCode(error, 'session_not_found')) return error
  return new GatewayError('upstream_broken', 'The server has lost the session of the request', { cause: error })
}
