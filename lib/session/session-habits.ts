/** Remembers which servers open sessions: only to one that does not may a message be sent without a session id. */
import { boundedSet } from '../util/bounded-map.ts'

/** How long an entry is valid, in milliseconds. */
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

  /** Records an accepted handshake. One without a session id outweighs others until its entry expires. */
  learn(upstreamId: string, hasSessions: boolean): void {
    if (hasSessions && this.#lessonOf(upstreamId)?.hasSessions === false) return
    boundedSet(this.#lessons, MAX_SERVERS, upstreamId, { hasSessions, endsAt: performance.now() + LESSON_MS })
  }

  /** Whether every client of a server is known to have a session. A node that has opened none does not know. */
  hasSessions(upstreamId: string): boolean {
    return this.#lessonOf(upstreamId)?.hasSessions === true
  }

  #lessonOf(upstreamId: string): Lesson | undefined {
    const lesson = this.#lessons.get(upstreamId)
    return lesson && lesson.endsAt > performance.now() ? lesson : undefined
  }
}
