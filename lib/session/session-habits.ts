/** Which servers are known to have sessions, learnt from their handshakes: a message without a session id may be for one without. */
import { boundedSet } from '../util/bounded-map.ts'

/** How long a lesson lasts, in milliseconds. */
const LESSON_MS = 5 * 60_000

/** How many servers are remembered. */
const MAX_SERVERS = 1_000

interface Lesson {
  readonly hasSessions: boolean
  readonly endsAt: number
}

export class SessionHabits {
  /** By upstream id. */
  readonly #lessons = new Map<string, Lesson>()

  /** Learns from a handshake that a server agreed to. One without a session id counts for as long as it is remembered. */
  learn(upstreamId: string, hasSessions: boolean): void {
    if (hasSessions && this.#lessonOf(upstreamId)?.hasSessions === false) return
    boundedSet(this.#lessons, MAX_SERVERS, upstreamId, { hasSessions, endsAt: performance.now() + LESSON_MS })
  }

  /** Whether every client of a server is known to have a session there. At a node that opened none it is not known. */
  hasSessions(upstreamId: string): boolean {
    return this.#lessonOf(upstreamId)?.hasSessions === true
  }

  #lessonOf(upstreamId: string): Lesson | undefined {
    const lesson = this.#lessons.get(upstreamId)
    return lesson && lesson.endsAt > performance.now() ? lesson : undefined
  }
}
