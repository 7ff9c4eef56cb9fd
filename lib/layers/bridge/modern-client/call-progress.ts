/** The progress of one call: it increases from round to round, and the last waits for a client that answers a question. (UT1) */
import type { NotificationMessage } from '../../../exchange/message.ts'
import { replaceValues } from '../../../exchange/json-text.ts'
import { member } from '../../../util/json.ts'

export class CallProgress {
  /** The progress token at the server. */
  readonly #token: string
  #highest = -Infinity
  #missed: NotificationMessage | undefined

  constructor(token: string) {
    this.#token = token
  }

  /** The approximate memory of what waits. */
  get bytes(): number {
    return 2 * (this.#missed?.text.length ?? 0)
  }

  /** Keeps a notification that came while no client waited, in place of the one before, if it is progress of this call. */
  keep(notification: NotificationMessage): boolean {
    const { method, params } = notification
    if (method !== 'notifications/progress' || params?.['progressToken'] !== this.#token) return false
    this.#missed = notification
    return true
  }

  /** Removes and returns what was kept. */
  take(): NotificationMessage | undefined {
    const missed = this.#missed
    this.#missed = undefined
    return missed
  }

  /** The notification for a client with this token, as JSON text; `undefined` if it is no news of this call. */
  relayed(params: unknown, text: string, clientToken: string | undefined): string | undefined {
    const progress = member(params, 'progress')
    if (clientToken === undefined || member(params, 'progressToken') !== this.#token) return undefined
    if (typeof progress !== 'number' || progress <= this.#highest) return undefined
    this.#highest = progress
    return replaceValues(text, [{ path: ['params', 'progressToken'], value: clientToken }])
  }
}
