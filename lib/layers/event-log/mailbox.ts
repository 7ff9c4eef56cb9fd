/** Hands an answer from the node that a client sent it to, to the one that waits for it: by way of the event log. */
import type { EventLog } from '../../types.ts'

/** How long the log is asked to wait at a time, in milliseconds. */
const TAKE_MS = 20_000

/** How long is waited before a log that has failed is asked again. */
const AFTER_FAILURE_MS = 1_000

export class LogMailbox {
  readonly #log: EventLog
  readonly #digestOf: (sessionId: string) => string

  /** `digestOf` names sessions in the log. */
  constructor(log: EventLog, digestOf: (sessionId: string) => string) {
    this.#log = log
    this.#digestOf = digestOf
  }

  /** Leaves an answer, under a name that no stream has. Resolves with `false` when there has been one. */
  async put(sessionId: string, stream: string, text: string): Promise<boolean> {
    return this.#log.append({ session: this.#digestOf(sessionId), stream }, [{ position: 1, text }])
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
}
