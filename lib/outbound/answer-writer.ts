/** Writes whole responses, and disconnects a client that does not read its response. (SE16) */
import { AsyncResource } from 'node:async_hooks'
import type { ServerResponse } from 'node:http'
import { GatewayError } from '../errors.ts'
import { Origin } from '../exchange/exchange.ts'
import type { SendWhole } from '../exchange/gateway-internals.ts'
import type { ErrorContext } from '../types.ts'
import type { Heartbeat, HeartbeatTarget } from './heartbeat.ts'
import { closeWithConnection } from './pipelined.ts'
import { cutOff, Uptake } from './uptake.ts'

type OnStall = (error: GatewayError, context: Partial<ErrorContext> | undefined) => void

interface AnswerWriterParts {
  readonly heartbeat: Heartbeat
  /** How long a client may leave a response unread, in milliseconds. */
  readonly stallMs: number
  readonly report: OnStall
}

export class AnswerWriter {
  readonly #parts: AnswerWriterParts

  constructor(parts: AnswerWriterParts) {
    this.#parts = parts
  }

  /**
   * The kernel nearly always buffers the response at once; only if it does not, a heartbeat target watches the rest.
   */
  readonly send: SendWhole = (response, status, headers, bytes, context) => {
    response.writeHead(status, headers).end(bytes)
    if (!response.writableFinished && !response.destroyed) this.#watch(response, context)
  }

  #watch(response: ServerResponse, context: Partial<ErrorContext> | undefined): void {
    const { heartbeat, stallMs, report } = this.#parts
    const unread = new UnreadAnswer(response, new Uptake(stallMs), bound(report, context))
    heartbeat.add(unread)
    response.once('close', () => heartbeat.delete(unread))
    closeWithConnection(response)
  }
}

/** A response that a client has not read completely. */
class UnreadAnswer implements HeartbeatTarget {
  slot = -1
  readonly #response: ServerResponse
  readonly #uptake: Uptake
  readonly #onStall: (fault: GatewayError) => void

  constructor(response: ServerResponse, uptake: Uptake, onStall: (fault: GatewayError) => void) {
    this.#response = response
    this.#uptake = uptake
    this.#onStall = onStall
  }

  tick(): void {
    if (!this.#uptake.isStalled(this.#response, true)) return
    this.#onStall(new GatewayError('client_stalled', 'The client stopped reading'))
    cutOff(this.#response)
  }
}

/** Binds the report to the request's async context, because a timer detects the stall. */
function bound(report: OnStall, context: Partial<ErrorContext> | undefined): (fault: GatewayError) => void {
  if (context instanceof Origin) return (fault) => context.bind(report)(fault, context)
  const request = new AsyncResource('McpAnswer')
  return (fault) => request.runInAsyncScope(report, undefined, fault, context)
}
