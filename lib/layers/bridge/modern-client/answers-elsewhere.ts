/** Answers to questions that wait at another node: they get there, and the outcome gets back, by way of the event log. */
import type { Exchange } from '../../../exchange/exchange.ts'
import type { InFlight } from '../../../exchange/in-flight.ts'
import type { Out } from '../../../exchange/answer.ts'
import { GatewayError } from '../../../errors.ts'
import type { Lifetime } from '../../../exchange/lifetime.ts'
import { messageOf, type ResponseMessage } from '../../../exchange/message.ts'
import { isObject, member, parseJson } from '../../../util/json.ts'
import type { Mailbox } from '../bridge-parts.ts'
import type { HeldCall } from './held-calls.ts'
import type { ServerQuestion } from './question.ts'
import type { ServerCall, Waiting } from './server-call.ts'

/** What came of a call at another node. */
export type Elsewhere = { readonly serverInfo?: unknown } & (
  | { readonly response: ResponseMessage }
  | { readonly questions: readonly ServerQuestion[]; readonly state: string }
)

/** The results of a client, and what they are bound to. */
interface Answers {
  readonly bound: string
  readonly results: ReadonlyMap<string, string>
}

/** The calls that wait at this node. */
interface HeldHere {
  has(handle: string): boolean
  take(handle: string, bound: string, round: number): HeldCall | undefined
  keep(call: ServerCall, round: number, bound: string, exchange: Exchange): Promise<string>
  leave(call: ServerCall): void
}

/** The client is at another node: what precedes the response is lost on this way. */
const NOWHERE: Out = { bytes: () => true, say: () => true, ready: undefined }
const WAITING_ELSEWHERE: Waiting = { out: NOWHERE, progressToken: undefined, logLevel: undefined }

/** Said in place of an outcome when the call has failed, or was not to be answered so. */
const NO_OUTCOME = '{}'

export class RemoteAnswers {
  readonly #mailbox: Mailbox
  readonly #inFlight: Pick<InFlight, 'add' | 'delete'>
  readonly #here: HeldHere
  /** Lets go of the calls that are held here, by handle. */
  readonly #leases = new Map<string, () => void>()

  constructor(mailbox: Mailbox, inFlight: Pick<InFlight, 'add' | 'delete'>, here: HeldHere) {
    this.#mailbox = mailbox
    this.#inFlight = inFlight
    this.#here = here
  }

  /** Lets other nodes answer for as long as the call waits here. Resolves when they can see that it does. */
  async attend(handle: string, round: number): Promise<void> {
    const { shown, end } = this.#mailbox.hold(boxOf(handle))
    this.#leases.set(handle, end)
    void this.#serve(handle, round)
    await shown
  }

  leave(handle: string): void {
    this.#leases.get(handle)?.()
    this.#leases.delete(handle)
  }

  close(): void {
    for (const handle of this.#leases.keys()) this.leave(handle)
  }

  /** Sends the client's results to the node that holds the call; `undefined` if no node does, or it was answered. */
  async ask(
    handle: string,
    round: number,
    { bound, results }: Answers,
    life: Lifetime,
  ): Promise<Elsewhere | undefined> {
    const box = boxOf(handle)
    if (!(await this.#mailbox.isHeld(box))) return undefined
    const text = JSON.stringify({ bound, results: Object.fromEntries(results) })
    if (!(await this.#mailbox.put(box, `${round}-answers`, text))) return undefined
    const off = life.onStop(() => void this.#mailbox.put(box, `${round}-gone`, NO_OUTCOME).catch(() => {}))
    try {
      for (;;) {
        const outcome = await this.#mailbox.take(box, `${round}-outcome`)
        if (outcome !== undefined) return elsewhereOf(outcome)
        if (life.stopped) throw life.stopped
        if (!(await this.#mailbox.isHeld(box))) return undefined
      }
    } finally {
      off()
    }
  }

  /** Waits for answers of another node, and goes on with the call there and then. */
  async #serve(handle: string, round: number): Promise<void> {
    const box = boxOf(handle)
    while (this.#here.has(handle)) {
      const text = await this.#mailbox.take(box, `${round}-answers`)
      if (text === undefined || !this.#here.has(handle)) continue
      const outcome = await this.#goOn(handle, round, parseJson(text)).catch(() => NO_OUTCOME)
      await this.#mailbox.put(box, `${round}-outcome`, outcome).catch(() => false)
      return this.leave(handle)
    }
  }

  async #goOn(handle: string, round: number, answers: unknown): Promise<string> {
    const [bound, results] = [member(answers, 'bound'), member(answers, 'results')]
    const held = typeof bound === 'string' ? this.#here.take(handle, bound, round) : undefined
    if (!held || !isObject(results)) return NO_OUTCOME
    const { call, exchange } = held
    const flight = this.#inFlight.add(exchange.fork({}, call.life))
    let isOver = false
    void this.#stopWith(handle, round, call, () => isOver)
    try {
      await call.answer(new Map(Object.entries(results) as [string, string][]), WAITING_ELSEWHERE)
      const outcome = await call.outcome(WAITING_ELSEWHERE)
      const { serverInfo } = call.session.offered
      if ('questions' in outcome) {
        const state = await this.#here.keep(call, round + 1, held.bound, exchange)
        return JSON.stringify({ serverInfo, questions: outcome.questions, state })
      }
      this.#here.leave(call)
      return JSON.stringify({ serverInfo, response: outcome.response.text })
    } catch (error) {
      this.#here.leave(call)
      throw error
    } finally {
      isOver = true
      this.#inFlight.delete(flight)
    }
  }

  /** Cancels the call when its client has left the other node. */
  async #stopWith(handle: string, round: number, call: ServerCall, isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      const text = await this.#mailbox.take(boxOf(handle), `${round}-gone`)
      if (text === undefined) continue
      if (!isOver()) call.life.stop(new GatewayError('bad_request', 'The client went away'))
      return
    }
  }
}

function boxOf(handle: string): string {
  return `question ${handle}`
}

function elsewhereOf(text: string): Elsewhere | undefined {
  const outcome = parseJson(text)
  const [serverInfo, response, questions, state] = ['serverInfo', 'response', 'questions', 'state'].map((key) =>
    member(outcome, key),
  )
  if (typeof state === 'string') return { serverInfo, questions: questions as ServerQuestion[], state }
  const message = typeof response === 'string' ? messageOf(parseJson(response), response, 'legacy') : undefined
  return message?.kind === 'response' ? { serverInfo, response: message } : undefined
}
