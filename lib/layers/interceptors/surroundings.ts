/** What interceptors have around them when they see a message. */
import type { Deadlines } from '../../util/deadlines.ts'
import type { KeptAnswers } from './questions.ts'
import type { HearingParts } from './server-says.ts'

/** The parts that one message needs, and those that all messages of a gateway share. */
export interface Surroundings extends HearingParts {
  readonly deadlines: Deadlines
  readonly kept: KeptAnswers
}
