/** The diagnostics channels: what `audit` is told, for whoever subscribes. (node:diagnostics_channel) */
import { channel, tracingChannel } from 'node:diagnostics_channel'
import type { AuditRecord, Principal } from '../types.ts'

/**
 * What subscribers of `express-mcp-gateway:request` get: with `start` what is known of a message as it comes in, with
 * `asyncEnd` the same object with all of its record. `error` is what it was refused or failed with here.
 */
export type RequestContext = { -readonly [key in keyof AuditRecord]?: AuditRecord[key] | undefined } & {
  error?: unknown
}

/** What subscribers of `express-mcp-gateway:session` get. */
export interface SessionEvent {
  readonly event: 'opened' | 'ended'
  /** A digest of the session's id. */
  readonly session: string
  readonly server: string
  readonly principal: Principal | undefined
  readonly protocolVersion: string
  /** How long it lasted, in milliseconds, where it was opened at this node. */
  readonly durationMs?: number | undefined
}

const requests = tracingChannel<unknown, RequestContext>('express-mcp-gateway:request')
const sessions = channel('express-mcp-gateway:session')
const parts = [requests.start, requests.end, requests.asyncStart, requests.asyncEnd, requests.error]

/** Whether anybody is told of messages. (`TracingChannel.hasSubscribers` is not there in all of Node 20.) */
export function hasRequestSubscribers(): boolean {
  for (const part of parts) if (part.hasSubscribers) return true
  return false
}

/** Begins to trace a message: a store that is bound to `start` holds while `work` and what it causes run. */
export function traceRequest<T>(context: RequestContext, work: () => T): T {
  return requests.start.runStores(context, () => {
    try {
      return work()
    } finally {
      requests.end.publish(context)
    }
  })
}

/** A message is over: its context has become its record. */
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
