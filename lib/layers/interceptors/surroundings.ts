/** What the code of this folder needs besides a message. */
import type { Deadlines } from '../../util/deadlines.ts'
import type { KeptAnswers } from './questions.ts'
import type { HearingParts } from './server-says.ts'

/** Adds to the parts of one message those that all messages of a gateway share. */
export interface Surroundings extends HearingParts {
  readonly deadlines: Deadlines
  readonly kept: KeptAnswers
}
