/** Finds out whether a server supports modern requests, by asking it once. (UC3, 2026-07-28 Versioning) */
import { GatewayError, isCode } from '../../../errors.ts'
import type { Exchange } from '../../../exchange/exchange.ts'
import { unlessStopped } from '../../../exchange/lifetime.ts'
import type { Handle } from '../../../exchange/reply.ts'
import { UpstreamClient } from '../../../exchange/upstream-client.ts'
import { LEGACY_VERSIONS, MODERN_ERRORS, MODERN_VERSIONS } from '../../../protocol.ts'
import { RpcError } from '../../../rpc-error.ts'
import { member } from '../../../util/json.ts'
import type { BridgeParts } from '../bridge-parts.ts'

const PROBE_CLIENT = { name: 'express-mcp-gateway', version: '1' }

/** Statuses with which legacy servers refuse a message without a session, or a method or an endpoint that they lack. */
const LEGACY_STATUSES: ReadonlySet<number> = new Set([400, 404, 405, 406, 415, 422, 501])

export class EraProbe {
  readonly #parts: Pick<BridgeParts, 'eras' | 'responseMs'>
  /** The probes in progress, by upstream: requests that come meanwhile wait for the same one. */
  readonly #probes = new Map<string, Promise<boolean>>()

  constructor(parts: Pick<BridgeParts, 'eras' | 'responseMs'>) {
    this.#parts = parts
  }

  /**
   * Asks the server in words of the gateway's own: no client can teach it anything. Rejects when the answer says nothing
   * of its era.
   */
  async speaksModern(upstreamId: string, exchange: Exchange, next: Handle): Promise<boolean> {
    for (;;) {
      const running = this.#probes.get(upstreamId)
      const probe = running ?? this.#ask(upstreamId, exchange, next).finally(() => this.#probes.delete(upstreamId))
      if (!running) this.#probes.set(upstreamId, probe)
      try {
        return await unlessStopped(exchange.life, probe)
      } catch (error) {
        // It concerns the account of whoever asked, which is another user's.
        if (!running || !isCode(error, 'connection_required')) throw error
      }
    }
  }

  /** Runs in a detached lifetime, since other requests wait for it, too. */
  async #ask(upstreamId: string, exchange: Exchange, next: Handle): Promise<boolean> {
    const { eras, responseMs } = this.#parts
    const life = exchange.life.detach()
    const late = (): void => life.stop(new GatewayError('upstream_timeout', 'The server did not answer in time'))
    const timer = responseMs > 0 ? setTimeout(late, responseMs).unref() : undefined
    const parent = exchange.fork({ message: undefined, headers: {} }, life)
    const client = UpstreamClient.modern(next, parent, PROBE_CLIENT)
    try {
      const speaks = await client.request('server/discover', {}).then(supportsModern, refusesModern)
      eras.learnModern(upstreamId, speaks)
      return speaks
    } finally {
      clearTimeout(timer)
      life.end()
    }
  }
}

function supportsModern(result: unknown): boolean {
  const versions = member(result, 'supportedVersions')
  return Array.isArray(versions) && versions.some((version) => MODERN_VERSIONS.includes(version as string))
}

/** A modern error means a modern server, unless it names legacy revisions alone. Rethrows what says nothing of it. */
function refusesModern(error: unknown): boolean {
  if (error instanceof RpcError) {
    const supported = member(error.data, 'supported')
    const isLegacy =
      Array.isArray(supported) && supported.every((version) => LEGACY_VERSIONS.includes(version as string))
    return MODERN_ERRORS.has(error.code) && !isLegacy
  }
  const isRefused = error instanceof GatewayError && LEGACY_STATUSES.has(error.status)
  if (isRefused && (error.code === 'upstream_refused' || error.code === 'bad_request')) return false
  throw error
}
