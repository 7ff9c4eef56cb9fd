/** What a log writer tells its owner. */
import type { RequestId } from '../../types.ts'

export interface LogWriterHooks {
  /** Receives an event that is in the log, with the requests still pending after it. */
  readonly deliver: (bytes: Buffer, position: number, pending: readonly RequestId[]) => void
  /** Receives bytes that are not stored. */
  readonly pass: (bytes: Buffer, atBoundary: boolean) => void
  /** Called when the queue is empty. */
  readonly onIdle: () => void
  /** Called with the new reader when another node has announced one in the log. */
  readonly onReader: (reader: string) => void
  /** Called once, when another node turns out to write this stream. */
  readonly onConflict: () => void
  /** Called when the log has failed. Events are delivered without being stored until it takes them again. */
  readonly onFailure: (error: unknown) => void
}
