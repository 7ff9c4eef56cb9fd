/** Questions of servers without sessions, asked on the stream of the request they belong to: who waits for which answer. */
import { randomBytes } from 'node:crypto'
import { GatewayError } from '../../../errors.ts'
import type { Out } from '../../../exchange/answer.ts'
import type { Exchange } from '../../../exchange/exchange.ts'
import type { Lifetime } from '../../../exchange/lifetime.ts'
import { messageOf, notificationOf, type ResponseMessage } from '../../../exchange/message.ts'
import { parseJson } from '../../../util/json.ts'
import type { Mailbox } from '../bridge-parts.ts'

/** How long a question may stay open, in milliseconds. */
const QUESTION_MS = 15 * 60_000

/** How many questions may be open: of one principal, or of a session without one, and in all. */
const MAX_OF_ONE = 256
const MAX_IN_ALL = 10_000

/** Ids of questions: no two gateways give the same, and nobody guesses one. */
const QUESTION_ID = /^ask_[\w-]{22}$/

/** Why a call ends that cannot be asked for more. */
export class CannotAsk extends Error {}

/** For whom a question is, and where it is put. */
export interface Asking {
  readonly exchange: Exchange
  readonly out: Out
  /** The question ends with it. */
  readonly life: Lifetime
}

/** A question that waits for its answer. */
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

  /** How many are open. */
  get size(): number {
    return this.#open.size
  }

  /**
   * Asks a client; `textOf` makes the request of its id. Rejects when the lifetime is stopped, when the client cannot be
   * heard any more or does not answer in time, and with `too_many_requests`; then the question is taken back.
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

  /** A client's answer: to a question here, or to one that another node has asked. Whatever else it is, it is dropped. */
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
      // With an event log its client finds the question again, and may answer at another node.
      if (this.#mailbox) void this.#take(this.#mailbox, sessionId, id)
      else offs.push(origin.onGone(() => fail(askedNobody())))
      say()
    })
  }

  /** Waits at the mailbox for as long as the question is open. */
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
