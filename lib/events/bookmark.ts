/** Where an upstream's stream can be resumed, when, and how often in vain. */
import type { UpstreamEvent } from './entry.ts'

/** How often in a row a stream is resumed that brings nothing new. */
const MAX_RESUMES = 5

export class Bookmark {
  #upstreamId: string | undefined
  #retryMs: number | undefined
  #resumes = 0

  constructor(upstreamId: string | undefined, retryMs: number | undefined) {
    this.#upstreamId = upstreamId
    this.#retryMs = retryMs
  }

  /** The upstream's own id of the last event; none where it cannot be resumed. */
  get upstreamId(): string | undefined {
    return this.#upstreamId
  }

  get retryMs(): number | undefined {
    return this.#retryMs
  }

  /** Whether it was resumed often enough without anything new. */
  get isWornOut(): boolean {
    return this.#resumes === MAX_RESUMES
  }

  /** Takes notice of an event; one with an id is new, and an empty one takes the last id back. */
  note({ id, retryMs = this.#retryMs }: UpstreamEvent): void {
    this.#retryMs = retryMs
    if (id === undefined) return
    this.#upstreamId = id === '' ? undefined : id
    this.#resumes = 0
  }

  /** What came meanwhile would come once more. */
  lose(): void {
    this.#upstreamId = undefined
  }

  use(): void {
    this.#resumes += 1
  }

  /** Somebody is there for whom it is worth it. */
  renew(): void {
    this.#resumes = 0
  }
}
