/** The diagnostics channels, which publish audit records to any subscriber. (node:diagnostics_channel) */
import { channel, tracingChannel } from 'node:diagnostics_channel'
import type { AuditRecord, Principal } from '../types.ts'

/**
 * The context that subscribers of `express-mcp-gateway:request` receive: with `start` what is known of a message when
 * it arrives, with `asyncEnd` the same object completed to its record. `error` is the error with which the gateway
 * refused or failed it.
 */
export type RequestContext = { -readonly [key in keyof AuditRecord]?: AuditRecord[key] | undefined } & {
  error?: unknown
}

/** The event that subscribers of `express-mcp-gateway:session` receive. */
export interface SessionEvent {
  readonly event: 'opened' | 'ended'
  /** A digest of the session's id. */
  readonly session: string
  readonly server: string
  readonly principal: Principal | undefined
  readonly protocolVersion: string
  /** How long it lasted, in milliseconds; absent if it was opened at another node. */
  readonly durationMs?: number | undefined
}

const requests = tracingChannel<unknown, RequestContext>('express-mcp-gateway:request')
const sessions = channel('express-mcp-gateway:session')
const parts = [requests.start, requests.end, requests.asyncStart, requests.asyncEnd, requests.error]

/**
 * Whether any channel of messages has a subscriber. (`TracingChannel.hasSubscribers` is missing in part of Node 20.)
 */
export function hasRequestSubscribers(): boolean {
  for (const part of parts) if (part.hasSubscribers) return true
  return false
}

/** Publishes `start` and runs `work`; a store bound to `start` is active in `work` and in all that it starts. */
export function traceRequest<T>(context: RequestContext, work: () => T): T {
  return requests.start.runStores(context, () => {
    try {
      return work()
    } finally {
      requests.end.publish(context)
    }
  })
}

/** Publishes the end of a message, whose context is now its complete record. */
export function endRequest(context: RequestContext): void {
  if (context.error !== undefined) requests.error.publish(context)
  requests.asyncStart.publish(context)
  requests.asyncEnd.publish(context)
}

export function hasSessionSubscribers(): boolean {
  return sessions.hasSubscribers
}

export function publishSession(event: SessionEvent): void {
  sessions.publish(event)
}
