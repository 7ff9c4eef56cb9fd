/** Writes answers that are all there, and cuts a client off that does not take one. (SE16) */
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
  /** How long a client may leave an answer unread, in milliseconds. */
  readonly stallMs: number
  readonly report: OnStall
}

export class AnswerWriter {
  readonly #parts: AnswerWriterParts

  constructor(parts: AnswerWriterParts) {
    this.#parts = parts
  }

  /** What the kernel takes at once, as it nearly always does, is done with; the rest is watched until it is taken. */
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

/** An answer of which a client has not taken all. */
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

/** A stall is noticed by a timer, and told of in the async context of its request. */
function bound(report: OnStall, context: Partial<ErrorContext> | undefined): (fault: GatewayError) => void {
  if (context instanceof Origin) return (fault) => context.bind(report)(fault, context)
  const request = new AsyncResource('McpAnswer')
  return (fault) => request.runInAsyncScope(report, undefined, fault, context)
}
