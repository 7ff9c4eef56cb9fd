/** The parts of the pipeline: layers, and upstreams at its inner end. */
import type { ServerConfig } from '../types.ts'
import type { Exchange } from './exchange.ts'
import type { Handle, Reply } from './reply.ts'

/**
 * A layer has one instance per gateway. Its state is keyed by `Upstream.id` or by session, never by config object,
 * since a `servers` function may create a new one for each request. A layer with nothing to do returns
 * `next(exchange)` without being async, which costs no promise.
 */
export interface Layer {
  readonly name: string
  /** Whether a server of this config needs the layer. Called for every exchange, so it must be cheap. */
  applies(config: ServerConfig): boolean
  handle(exchange: Exchange, next: Handle): Promise<Reply>
  close?(graceMs: number): Promise<void>
}

/** Called when something that a server offers has changed, also while no client listens. */
export type OnChange = (method: string, uri: string | undefined) => void

/** The server process or endpoint that a config leads to. */
export interface Upstream {
  /** Identifies the upstream in sessions, eras, cache and health. It contains no secret. */
  readonly id: string
  /** A name for logs and pages. It contains no secret. */
  readonly label: string
  /**
   * How a modern request is cancelled here: by closing its connection, or by `notifications/cancelled`, as on a pipe.
   * Legacy requests are always cancelled by the notification. (LC8, ST18)
   */
  readonly quits: 'abort' | 'cancelled'
  /**
   * Sends an exchange. When stopped it releases its resources and sends nothing: `CancelOnStop` sends the cancellation.
   */
  readonly send: Handle
  onChange?(listener: OnChange): () => void
}

/** Resolves a config to its upstream. Throws a TypeError that names the fault and the cure. */
export type UpstreamOf = (server: string, config: ServerConfig) => Upstream
