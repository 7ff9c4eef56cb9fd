/** What the code of this folder needs besides a message. */
import type { Deadlines } from '../../util/deadlines.ts'
import type { KeptAnswers } from './questions.ts'
import type { ServerMessageParts } from './decide.ts'

/** Adds to the parts of one message those that all messages of a gateway share. */
export interface Surroundings extends ServerMessageParts {
  readonly deadlines: Deadlines
  readonly kept: KeptAnswers
}
