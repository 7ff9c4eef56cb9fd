/** What the pipeline is made of: layers, and upstreams at its inner end. */
import type { ServerConfig } from '../types.ts'
import type { Exchange } from './exchange.ts'
import type { Handle, Reply } from './reply.ts'

/**
 * One instance per gateway, since it has state: everything it remembers is keyed by `Upstream.id` or by session, never
 * by a config object, of which `servers` may make a new one for each request. A layer that has nothing to do returns
 * `next(exchange)`, and is not async.
 */
export interface Layer {
  readonly name: string
  /** Whether a server of this config needs the layer. Asked for every exchange: a few comparisons. */
  applies(config: ServerConfig): boolean
  handle(exchange: Exchange, next: Handle): Promise<Reply>
  close?(graceMs: number): Promise<void>
}

/** Told that something a server offers has changed, also while no client listens. */
export type OnChange = (method: string, uri: string | undefined) => void

/** What answers behind a server's name. */
export interface Upstream {
  /** Names what answers, with no secret in it: the key of sessions, eras, cache and health. */
  readonly id: string
  /** For people; no secret in it. */
  readonly label: string
  /**
   * How a modern request is ended here: by closing its connection, or by `notifications/cancelled`, as on a pipe.
   * Legacy requests are always cancelled by the message. (LC8, ST18)
   */
  readonly quits: 'abort' | 'cancelled'
  /** Sends an exchange. A stop lets go of what it holds, and says nothing on its own. */
  readonly send: Handle
  onChange?(listener: OnChange): () => void
}

/** How a config finds its upstream. Throws a TypeError that names the fault and the cure. */
export type UpstreamOf = (server: string, config: ServerConfig) => Upstream
