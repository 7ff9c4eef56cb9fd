/** What the page is to a server, and what whoever makes a request hears of it. */
import type { JsonObject } from '../../util/json.ts'

/** Says what this client is: audit records and servers see that it was the page. */
export const IDENTITY: JsonObject = { name: 'express-mcp-gateway-page', version: '1' }
export const CAPABILITIES: JsonObject = { elicitation: { form: {}, url: {} } }

/** A request of the server: `elicitation/create`. */
export type Ask = (question: JsonObject, signal: AbortSignal) => Promise<JsonObject>

/** What whoever makes a request gets to know while it goes on. */
export interface CallListener {
  /** Stops the request; the server is told. */
  readonly signal: AbortSignal
  onProgress(params: JsonObject): void
  onLog(params: JsonObject): void
  onWire(direction: 'sent' | 'received', message: JsonObject): void
  /** Answers the server's question. */
  readonly ask: Ask
}

/** Rejects with the reason of the signal. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const stop = (): void => {
      clearTimeout(timer)
      reject(signal.reason as Error)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, ms)
    signal.addEventListener('abort', stop, { once: true })
  })
}
