/** Remembers answers for a while, failures for a short while, and asks once for all who ask at the same time. */
import { LRUCache } from 'lru-cache'

const MAX_ANSWERS = 1_000
const ANSWER_LIFE_MS = 10 * 60_000
/** So that a server without metadata does not make each of its 401s ask for some. */
const FAILURE_LIFE_MS = 5_000

export class Memo<T> {
  readonly #answers = new LRUCache<string, Promise<T>>({ max: MAX_ANSWERS, ttl: ANSWER_LIFE_MS, ttlResolution: 0 })

  of(key: string, ask: () => Promise<T>): Promise<T> {
    const known = this.#answers.get(key)
    if (known) return known
    const answer = ask()
    this.#answers.set(key, answer)
    answer.catch(() => {
      if (this.#answers.peek(key) === answer) this.#answers.set(key, answer, { ttl: FAILURE_LIFE_MS })
    })
    return answer
  }
}
