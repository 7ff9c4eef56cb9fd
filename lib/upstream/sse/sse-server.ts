/** Checks an HTTP+SSE server's config, and derives how its pipes are opened. (2024-11-05 transports) */
import { createHash } from 'node:crypto'
import type { SseServer } from '../../types.ts'
import { alternatives, unknownKey } from '../../util/unknown-key.ts'
import type { HttpTransport } from '../http/http-transport.ts'
import { checkHeaders, checkUrl } from '../http/target.ts'
import type { PipeTarget } from '../pipe/pipe-target.ts'
import { faultOfBridge } from '../server-kind.ts'
import { SsePipe } from './sse-pipe.ts'
import { SseRequests } from './sse-requests.ts'

/** The type makes the compiler require every key. */
const SSE_KEYS: Readonly<Record<keyof SseServer, true>> = {
  type: true,
  url: true,
  headers: true,
  recover: true,
  bridge: true,
  scopes: true,
  intercept: true,
  title: true,
  description: true,
  tags: true,
  version: true,
}

const MAX_STREAMS = 1_000
const IDLE_MS = 30 * 60_000
const GRACE_MS = 2_000

/** The URL of the server's event stream. Throws a TypeError that names the fault and the cure. */
export function checkSseServer(server: string, config: SseServer): URL {
  const fault = (what: string): TypeError => new TypeError(`Server ${JSON.stringify(server)}: ${what}`)
  const unknown = unknownKey(config, SSE_KEYS)
  if (unknown !== undefined) {
    throw fault(
      `${JSON.stringify(unknown)} is not a key of an HTTP+SSE server's config; ${alternatives(unknown, SSE_KEYS)}`,
    )
  }
  const { url, headers, recover = false, bridge } = config
  if (typeof recover !== 'boolean') throw fault(`"recover" must be true or false, not ${JSON.stringify(recover)}`)
  const wrong = faultOfBridge(bridge, 'legacy')
  if (wrong !== undefined) throw fault(wrong)
  if (headers !== undefined && typeof headers !== 'function') checkHeaders(server, headers)
  return checkUrl(url, fault)
}

/** By config object; valid while its `url` and `headers` are the same. */
const knownSse = new WeakMap<SseServer, Pick<SseServer, 'url' | 'headers'> & { readonly target: PipeTarget }>()

/** Opens an event stream per session; its messages are POSTed with the `headers` of the config that opened it. */
export function sseTargetOf(server: string, config: SseServer, transport: HttpTransport): PipeTarget {
  const { url, headers } = config
  const before = knownSse.get(config)
  if (before && before.url === url && before.headers === headers) return before.target
  const stream = checkSseServer(server, config)
  const requests = new SseRequests(server, stream, headers, transport)
  const target: PipeTarget = {
    id: createHash('sha256').update(`sse ${stream.href}`).digest('base64url').slice(0, 22),
    label: stream.host,
    open: (context) => SsePipe.open(requests, context),
    maxPipes: MAX_STREAMS,
    idleMs: IDLE_MS,
    graceMs: GRACE_MS,
    // What breaks is a network connection; opening it again does not start a process that may fail again.
    backsOff: false,
  }
  knownSse.set(config, { url, headers, target })
  return target
}
