/**
 * Detects whether a pipe speaks the modern era, by a probe with a timeout. (2026-07-28 stdio, Backward Compatibility)
 */
import { GatewayError, isCode } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { UpstreamClient } from '../../exchange/upstream-client.ts'
import { RpcError } from '../../rpc-error.ts'
import { LEGACY_VERSIONS, MODERN_ERRORS } from '../../protocol.ts'
import type { Era } from '../../types.ts'
import { boundedSet } from '../../util/bounded-map.ts'
import { member } from '../../util/json.ts'
import type { Channel } from './channel.ts'

/** How long a server may take to answer the probe: a program that is installed on its first start takes seconds. */
const PROBE_MS = 10_000

/**
 * How long a verdict is kept, in milliseconds. One that follows from a timeout is kept shorter: the next start may be
 * faster.
 */
const ANSWER_MEMORY_MS = 5 * 60_000
const SILENCE_MEMORY_MS = 60_000

/** How many verdicts are kept. */
const MAX_VERDICTS = 1_000

const PROBE_INFO = { name: 'express-mcp-gateway', version: '1' }

interface ProbeVerdict {
  readonly era: Era
  readonly memoryMs: number
}

export class PipeEras {
  readonly #verdicts = new Map<string, { readonly era: Era; readonly until: number }>()

  /** The era of the pipes with this name, if it is known. */
  of(name: string): Era | undefined {
    const verdict = this.#verdicts.get(name)
    return verdict && verdict.until > performance.now() ? verdict.era : undefined
  }

  /** Sends the probe. Rejects with a GatewayError when its outcome says nothing about the era. */
  async probe(name: string, channel: Channel, exchange: Exchange): Promise<Era> {
    const { era, memoryMs } = await probeVerdictOf(channel, exchange)
    boundedSet(this.#verdicts, MAX_VERDICTS, name, { era, until: performance.now() + memoryMs })
    return era
  }
}

/**
 * Probes as the principal of the first request, but detached from its lifetime, because other requests wait for it too.
 */
async function probeVerdictOf(channel: Channel, exchange: Exchange): Promise<ProbeVerdict> {
  const life = exchange.life.detach()
  const late = new GatewayError('upstream_timeout', 'The server did not say in time which revisions it speaks')
  const timer = setTimeout(() => life.stop(late), PROBE_MS).unref()
  const client = UpstreamClient.modern(async (said) => channel.send(said), exchange.fork({}, life), PROBE_INFO)
  try {
    return discovered(await client.request('server/discover', {}))
  } catch (error) {
    if (error instanceof RpcError) return refusedDiscovery(error)
    if (isCode(error, 'unavailable') || isCode(error, 'session_not_found') || wasKilled(error)) throw error
    return { era: 'legacy', memoryMs: SILENCE_MEMORY_MS }
  } finally {
    clearTimeout(timer)
  }
}

/** The signals by which others end a process: an end by one of them is no answer to the probe. */
const KILLS: ReadonlySet<unknown> = new Set(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP'])

function wasKilled(error: unknown): boolean {
  return KILLS.has(member(member(error, 'cause'), 'signal'))
}

function discovered(result: unknown): ProbeVerdict {
  const versions = member(result, 'supportedVersions')
  return { era: Array.isArray(versions) && hasModern(versions) ? 'modern' : 'legacy', memoryMs: ANSWER_MEMORY_MS }
}

/** A modern error code means modern, unless it lists legacy revisions only; any other error means legacy. */
function refusedDiscovery({ code, data }: RpcError): ProbeVerdict {
  const supported = member(data, 'supported')
  const isModern = MODERN_ERRORS.has(code) && (!Array.isArray(supported) || hasModern(supported))
  return { era: isModern ? 'modern' : 'legacy', memoryMs: ANSWER_MEMORY_MS }
}

function hasModern(versions: readonly unknown[]): boolean {
  return versions.some((version) => typeof version === 'string' && !LEGACY_VERSIONS.includes(version))
}
