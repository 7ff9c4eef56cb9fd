/** One request at a legacy server: its stream is read while a client waits, and while a question waits for its answer. */
import { GatewayError } from '../../../errors.ts'
import type { Out } from '../../../exchange/answer.ts'
import type { Exchange } from '../../../exchange/exchange.ts'
import { Lifetime } from '../../../exchange/lifetime.ts'
import { mapMessages } from '../../../exchange/map-messages.ts'
import type { Message, NotificationMessage, RequestMessage, ResponseMessage } from '../../../exchange/message.ts'
import { readResponse } from '../../../exchange/read-response.ts'
import type { EventsReply, Handle, Reply } from '../../../exchange/reply.ts'
import { ResumingBody } from '../../../exchange/resuming-body.ts'
import { canBeResumedFrom } from '../../../exchange/sse.ts'
import type { RequestId } from '../../../types.ts'
import { type JsonObject, member } from '../../../util/json.ts'
import { isLogged } from '../tables.ts'
import { CallProgress } from './call-progress.ts'
import { fetchStream } from './fetch-stream.ts'
import { legacyRequest } from './legacy-request.ts'
import { CallQuestions, questionOf, NOT_ASKED, type ServerQuestion } from './question.ts'
import type { PooledSession } from './pooled-session.ts'
import type { Suspended } from './request-state.ts'

/** How long further questions are awaited after one, in milliseconds: a server may ask several at a time. */
const QUIET_MS = 25

/** The longest response that is read as a document, in bytes. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024

/** The client that waits for a call at the moment. */
export interface Waiting {
  readonly out: Out
  /** The client's progress token, as JSON text. */
  readonly progressToken: string | undefined
  readonly logLevel: unknown
}

/** What a call is waiting for, or has brought. */
export type ServerOutcome = { readonly response: ResponseMessage } | { readonly questions: readonly ServerQuestion[] }

export class ServerCall {
  readonly id: string
  readonly session: PooledSession
  /** Its own: it ends neither with the client's request, nor with the question. */
  readonly life: Lifetime = new Lifetime()
  /** Called when it takes up more memory while its question waits. */
  onGrowth: (() => void) | undefined
  readonly #capabilities: JsonObject
  readonly #questions = new CallQuestions()
  readonly #progress: CallProgress
  #asked = 0
  #waiting: Waiting | undefined
  #response: ResponseMessage | undefined
  #fault: Error | undefined
  #after: string | undefined
  #stream: EventsReply | undefined
  #wake: (() => void) | undefined

  /** `capabilities` are those that the client has declared. */
  constructor(id: string, session: PooledSession, capabilities: JsonObject) {
    this.id = id
    this.session = session
    this.#capabilities = capabilities
    this.#progress = new CallProgress(id)
    this.life.onStop((reason) => this.#fail(reason))
  }

  get isOver(): boolean {
    return this.#response !== undefined || this.#fault !== undefined
  }

  get hasResponse(): boolean {
    return this.#response !== undefined
  }

  get questions(): readonly ServerQuestion[] {
    return this.#questions.all
  }

  /** The approximate memory that it takes while it waits. */
  get bytes(): number {
    return this.#questions.bytes + this.#progress.bytes + 2 * (this.#response?.text.length ?? 0)
  }

  /** Whether a client that waits wants log messages. */
  get isLogging(): boolean {
    return this.#waiting?.logLevel !== undefined
  }

  /** Sends the request of a client that waits. Rejects if the server has not accepted it. */
  async start(exchange: Exchange, next: Handle, waiting: Waiting): Promise<void> {
    this.#waiting = waiting
    const sent = legacyRequest(exchange, this.id, this.session.state, this.life)
    const reply = await next(sent)
    if (reply.kind !== 'events') return void this.#readDocument(reply)
    const body = ResumingBody.of(reply, sent, next, true)
    this.#read({ ...reply, body, pending: body.pending })
  }

  /**
   * Goes on with a call that was suspended, at this node or another one. Resolves when its stream is there: what a server
   * sends while it opens one may be lost. Rejects if the server does not give it.
   */
  async resume({ after, questions, asked }: Suspended, exchange: Exchange, next: Handle): Promise<void> {
    this.#after = after
    this.#asked = asked
    for (const question of questions) this.#questions.add(question)
    const sent = legacyRequest(exchange, this.id, this.session.state, this.life)
    const fetched = await fetchStream(sent, after, next)
    const reply = { ...fetched, pending: () => (this.isOver ? [] : [this.id]) }
    const body = ResumingBody.of(reply, sent, next, true)
    this.#read({ ...reply, body, pending: body.pending })
  }

  /** What another node needs to go on; `undefined` if the server gives no event ids, or it is over. */
  get snapshot(): Suspended | undefined {
    const after = this.#after
    if (after === undefined || this.isOver) return undefined
    return { id: this.id, after, questions: this.questions, asked: this.#asked }
  }

  /** Stops reading without a word to the server, so that another node can go on. */
  suspend(): void {
    this.#stream?.body.cancel()
    this.life.end()
  }

  /** Resolves with the response, or with the questions that the client has to answer first. Rejects when it fails. */
  async outcome(waiting: Waiting): Promise<ServerOutcome> {
    this.#waiting = waiting
    try {
      for (;;) {
        if (this.#fault) throw this.#fault
        if (this.#response) return { response: this.#response }
        const before = this.#questions.size
        if (before === 0) await this.#change()
        else {
          await this.#change(QUIET_MS)
          if (this.#questions.size === before && !this.isOver) return { questions: this.questions }
        }
      }
    } finally {
      this.#waiting = undefined
    }
  }

  /**
   * Sends the client's result to each question that it has answered, by key. The call fails where that fails. The client
   * waits from now on, and is told how far the server has come: it may report progress before it has accepted the last result.
   */
  async answer(results: ReadonlyMap<string, string>, waiting: Waiting): Promise<void> {
    this.#waiting = waiting
    const missed = this.#progress.take()
    if (missed) void this.#tell(missed)
    for (const question of this.questions) {
      const result = results.get(question.key)
      if (result === undefined) continue
      await this.session.answer(question.id, result, this.life).then(
        () => this.#questions.delete(question.id),
        (error: Error) => this.#fail(error),
      )
    }
  }

  /** Takes a message that concerns this call, from its own stream or from the session's. */
  receive(message: Message): Promise<void> | undefined {
    if (message.kind === 'request') return this.#ask(message)
    if (message.kind === 'notification') return this.#tell(message)
    if (message.kind === 'response' && (message.id === this.id || (message.id === null && message.error))) {
      this.#response ??= message
      this.#stream?.body.cancel()
      this.#wake?.()
      this.onGrowth?.()
    }
    return undefined
  }

  #read(reply: EventsReply): void {
    const note = (id: string): string => {
      this.#after = canBeResumedFrom(id) ? id : undefined
      return id
    }
    const wants = { methods: () => true, responses: true, eventIds: note }
    this.#stream = mapMessages(reply, wants, async (message) => {
      await this.receive(message)
      return 'drop' as const
    }) as EventsReply
    this.#stream.body.pipe({
      data: () => true,
      end: (end) => this.#fail(callFailed(end.how === 'broken' ? end.error : undefined)),
    })
  }

  async #readDocument(reply: Reply): Promise<void> {
    const response = await readResponse(reply, undefined, { id: this.id, maxBytes: MAX_ANSWER_BYTES })
    if (response) this.#response = response
    else this.#fault ??= callFailed(undefined)
    this.#wake?.()
  }

  #fail(error: Error): void {
    if (!this.isOver) this.#fault = error
    this.#wake?.()
  }

  /** Resolves at the next change, or after this many milliseconds. */
  #change(ms?: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const changed = new Promise<void>((resolve) => {
      this.#wake = resolve
      if (ms !== undefined) timer = setTimeout(resolve, ms)
    })
    return changed.finally(() => clearTimeout(timer))
  }

  async #ask(message: RequestMessage): Promise<void> {
    const { id, method } = message
    if (method === 'ping') return this.session.respond(id, { result: {} })
    if (this.#questions.has(id)) return
    const question = questionOf(message, this.#capabilities, this.#asked + 1)
    if (!question) return this.session.respond(id, { error: NOT_ASKED.notDeclared })
    if (!this.#questions.add(question)) {
      return this.session.respond(id, { error: NOT_ASKED.tooMuch })
    }
    this.#asked += 1
    this.#wake?.()
    this.onGrowth?.()
  }

  /** Relays what the client wants to be told; a withdrawn question is no longer asked. */
  async #tell(message: NotificationMessage): Promise<void> {
    const { method, params, text } = message
    if (method === 'notifications/cancelled') return this.#questions.delete(params?.['requestId'] as RequestId)
    if (!this.#waiting && this.#progress.keep(message)) return this.onGrowth?.()
    const said = this.#relayed(method, params, text)
    if (said === undefined) return this.session.tell(method, params)
    const out = this.#waiting?.out
    if (out?.say(said) === false) await out.ready
  }

  #relayed(method: string, params: unknown, text: string): string | undefined {
    const { progressToken, logLevel } = this.#waiting ?? {}
    if (method === 'notifications/message') return isLogged(member(params, 'level'), logLevel) ? text : undefined
    return method === 'notifications/progress' ? this.#progress.relayed(params, text, progressToken) : undefined
  }
}

function callFailed(cause: Error | undefined): GatewayError {
  if (cause instanceof GatewayError) return cause
  return new GatewayError('upstream_broken', 'The server did not answer the request', { cause })
}
