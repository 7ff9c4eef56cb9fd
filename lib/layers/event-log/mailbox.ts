/** Hands an answer from the node that a client sent it to, to the one that waits for it: by way of the event log. */
import { randomBytes } from 'node:crypto'
import type { EventLog } from '../../types.ts'
import { callLog } from './timed-event-log.ts'

/** How long the log is asked to wait at a time, in milliseconds. */
const TAKE_MS = 20_000

/** How long is waited before a log that has failed is asked again. */
const AFTER_FAILURE_MS = 1_000

/** The name under which a node shows that it waits, how long that lasts, and how often it is renewed. */
const HOLDER = 'holder'
const HOLD_LEASE_MS = 15_000
const HOLD_RENEW_MS = 5_000

/** How long another node keeps the name when it looks whether there is a holder. */
const HOLDER_LOOK_MS = 100

export class LogMailbox {
  readonly #log: EventLog
  readonly #digestOf: (sessionId: string) => string
  readonly #writer = randomBytes(12).toString('base64url')

  /** `digestOf` names sessions in the log. */
  constructor(log: EventLog, digestOf: (sessionId: string) => string) {
    this.#log = log
    this.#digestOf = digestOf
  }

  /**
   * Leaves an answer, under a name that no stream has. Resolves with `false` when there has been one. Rejects with
   * `unavailable` when the log fails.
   */
  async put(sessionId: string, stream: string, text: string): Promise<boolean> {
    const name = { session: this.#digestOf(sessionId), stream }
    return callLog(() => this.#log.append(name, [{ position: 1, text }]))
  }

  /** Resolves with the answer, or with `undefined` after a while without one. Never rejects. */
  async take(sessionId: string, stream: string): Promise<string | undefined> {
    try {
      const [first] = await this.#log.read({ session: this.#digestOf(sessionId), stream }, 0, TAKE_MS)
      return first?.text
    } catch {
      await new Promise((resolve) => setTimeout(resolve, AFTER_FAILURE_MS).unref())
      return undefined
    }
  }

  /**
   * Shows other nodes that this one waits for an answer, until `end()`. `shown` resolves when they can see it, or when
   * the log has failed.
   */
  hold(sessionId: string): { readonly shown: Promise<void>; readonly end: () => void } {
    const name = { session: this.#digestOf(sessionId), stream: HOLDER }
    const claim = async (): Promise<void> => {
      await callLog(() => this.#log.claim(name, this.#writer, HOLD_LEASE_MS)).catch(() => {})
    }
    const shown = claim()
    const renewing = setInterval(() => void claim(), HOLD_RENEW_MS).unref()
    const end = (): void => {
      clearInterval(renewing)
      void callLog(() => this.#log.release(name, this.#writer)).catch(() => {})
    }
    return { shown, end }
  }

  /** Whether a node waits for an answer. Rejects with `unavailable` when the log fails. */
  async isHeld(sessionId: string): Promise<boolean> {
    const name = { session: this.#digestOf(sessionId), stream: HOLDER }
    const look = `${this.#writer}-look`
    if (!(await callLog(() => this.#log.claim(name, look, HOLDER_LOOK_MS)))) return true
    await callLog(() => this.#log.release(name, look))
    return false
  }
}
