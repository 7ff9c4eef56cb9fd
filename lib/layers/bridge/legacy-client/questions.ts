/** Sends requests to legacy clients, on the streams of the calls they belong to, and matches the responses to them. */
import { randomBytes } from 'node:crypto'
import { GatewayError } from '../../../errors.ts'
import type { Out } from '../../../exchange/answer.ts'
import type { Exchange } from '../../../exchange/exchange.ts'
import type { Lifetime } from '../../../exchange/lifetime.ts'
import { messageOf, notificationOf, type ResponseMessage } from '../../../exchange/message.ts'
import { parseJson } from '../../../util/json.ts'
import type { Mailbox } from '../bridge-parts.ts'
import { QUESTION_MS } from '../tables.ts'

/** How many requests may be open: for one principal, or for a session without one, and in all. */
const MAX_OF_ONE = 256
const MAX_IN_ALL = 10_000

/** The form of the ids, which are random: they must be unique among all nodes, and other clients must not guess one. */
const QUESTION_ID = /^ask_[\w-]{22}$/

/** Ends a call because its client cannot give the input that the server requires. */
export class CannotAsk extends Error {}

/** The call that a request to the client belongs to, and its stream. */
export interface Asking {
  readonly exchange: Exchange
  readonly out: Out
  /** When it is stopped, the request is cancelled. */
  readonly life: Lifetime
}

/** A request that waits for its response. */
interface OpenQuestion {
  readonly sessionId: string
  readonly asker: string
  readonly answer: (response: ResponseMessage) => void
}

export class Questions {
  readonly #mailbox: Mailbox | undefined
  readonly #open = new Map<string, OpenQuestion>()
  readonly #counts = new Map<string, number>()

  constructor(mailbox: Mailbox | undefined) {
    this.#mailbox = mailbox
  }

  /** The number of open requests. */
  get size(): number {
    return this.#open.size
  }

  /**
   * Sends a request, made by `textOf`, to the client. Rejects with `too_many_requests`; and, after
   * `notifications/cancelled`, when the lifetime is stopped, the client does not answer in time, or it disconnects and
   * there is no mailbox.
   */
  async ask(asking: Asking, textOf: (id: string) => string): Promise<ResponseMessage> {
    const { exchange, out } = asking
    const asker = askerOf(exchange)
    const count = this.#counts.get(asker) ?? 0
    if (count >= MAX_OF_ONE || this.#open.size >= MAX_IN_ALL) {
      throw new GatewayError('too_many_requests', 'Too many questions wait for an answer')
    }
    this.#counts.set(asker, count + 1)
    const id = `ask_${randomBytes(16).toString('base64url')}`
    try {
      return await this.#wait(asking, asker, id, () => out.say(textOf(id)))
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'The question is taken back'
      out.say(notificationOf('legacy', 'notifications/cancelled', { requestId: id, reason }).text)
      throw error
    } finally {
      this.#close(id)
    }
  }

  /** Handles a response of a client: to a request of this node, or of another one. Any other response is dropped. */
  async answer(sessionId: string, response: ResponseMessage): Promise<void> {
    const { id, text } = response
    if (typeof id !== 'string' || !QUESTION_ID.test(id)) return
    const question = this.#open.get(id)
    if (question?.sessionId === sessionId) question.answer(response)
    else if (!question) await this.#mailbox?.put(sessionId, id, text)
  }

  #wait({ exchange, life }: Asking, asker: string, id: string, say: () => void): Promise<ResponseMessage> {
    const { origin } = exchange
    const sessionId = origin.session!.id
    return new Promise<ResponseMessage>((resolve, reject) => {
      const offs: (() => void)[] = []
      const settled = (): void => offs.forEach((off) => off())
      const fail = (reason: Error): void => {
        settled()
        reject(reason)
      }
      const answer = (response: ResponseMessage): void => {
        settled()
        resolve(response)
      }
      this.#open.set(id, { sessionId, asker, answer })
      const timer = setTimeout(() => fail(late()), QUESTION_MS).unref()
      offs.push(() => clearTimeout(timer))
      offs.push(life.onStop(fail))
      // With an event log a disconnected client can resume the stream, and answer at another node.
      if (this.#mailbox) void this.#take(this.#mailbox, sessionId, id)
      else offs.push(origin.onGone(() => fail(askedNobody())))
      say()
    })
  }

  /** Waits at the mailbox for the response, for as long as the request is open. */
  async #take(mailbox: Mailbox, sessionId: string, id: string): Promise<void> {
    while (this.#open.has(id)) {
      const text = await mailbox.take(sessionId, id)
      const message = text === undefined ? undefined : messageOf(parseJson(text), text, 'legacy')
      if (message?.kind === 'response') return this.#open.get(id)?.answer(message)
    }
  }

  #close(id: string): void {
    const question = this.#open.get(id)
    if (!question) return
    this.#open.delete(id)
    const left = (this.#counts.get(question.asker) ?? 0) - 1
    if (left > 0) this.#counts.set(question.asker, left)
    else this.#counts.delete(question.asker)
  }
}

function askerOf({ origin: { principal, session } }: Exchange): string {
  return principal ? `principal ${principal.id}` : `session ${session!.id}`
}

function late(): CannotAsk {
  return new CannotAsk('The client did not answer in time')
}

function askedNobody(): GatewayError {
  return new GatewayError('bad_request', 'The client went away before it answered')
}
