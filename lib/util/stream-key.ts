/** Names an event stream by one text, as the key of a Map. */
import type { EventStreamName } from '../types.ts'

/** Unambiguous: neither part of a name has a space. */
export function streamKey({ session, stream }: EventStreamName): string {
  return `${session} ${stream}`
}
