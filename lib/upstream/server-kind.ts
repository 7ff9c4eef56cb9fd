/** What kind of server a config is, and what follows from that alone. Pure. */
import type { AggregateServer, BridgeOptions, Era, PipeServer, ServerConfig, SseServer } from '../types.ts'
import { isDictionary, isObject, kindOf } from '../util/json.ts'
import { alternatives, unknownKey } from '../util/unknown-key.ts'

export function isPipeServer(config: unknown): config is PipeServer {
  return isObject(config) && 'pipe' in config
}

export function isSseServer(config: unknown): config is SseServer {
  return isObject(config) && config['type'] === 'sse'
}

/** Whether a server's messages travel on a pipe, which accepts no batches, and where each session is a pipe. */
export function isPiped(config: ServerConfig): boolean {
  return isPipeServer(config) || isSseServer(config)
}

export function isAggregate(config: unknown): config is AggregateServer {
  return isObject(config) && 'members' in config
}

/** Which eras a config says that its server speaks. */
export function protocolOf(config: ServerConfig): 'auto' | Era {
  // HTTP+SSE is older than the other era.
  if (isSseServer(config)) return 'legacy'
  // Each member of an aggregate has eras of its own.
  return isAggregate(config) ? 'auto' : (config.protocol ?? 'auto')
}

/** Whether clients with sessions are served though the server may have none. */
export function bridgesSessions(config: ServerConfig): boolean {
  return !isSseServer(config) && !isAggregate(config) && config.protocol !== 'legacy' && config.bridge !== false
}

/** Whether a session that the server has lost is opened again. */
export function recoversSessions(config: ServerConfig): boolean {
  return !isAggregate(config) && config.recover === true
}

export function bridgeOf(config: ServerConfig): boolean | BridgeOptions | undefined {
  return isAggregate(config) ? undefined : config.bridge
}

/** Whether clients of 2026-07-28 are served though the server may have sessions only. */
export function bridgesModern(config: ServerConfig): boolean {
  const bridge = bridgeOf(config)
  return bridge !== undefined && bridge !== false && protocolOf(config) !== 'modern'
}

/** What is wrong with the option `bridge`, if anything is. */
export function faultOfBridge(bridge: unknown, protocol: unknown): string | undefined {
  if (bridge === undefined || typeof bridge === 'boolean') return undefined
  if (!isDictionary(bridge)) return `"bridge" must be true, false or { sessions }, not ${kindOf(bridge)}`
  const unknown = unknownKey(bridge, BRIDGE_KEYS)
  if (unknown !== undefined) {
    return `${JSON.stringify(unknown)} is not a key of "bridge"; ${alternatives(unknown, BRIDGE_KEYS)}`
  }
  const { sessions } = bridge
  if (sessions !== undefined && !(Number.isSafeInteger(sessions) && (sessions as number) >= 1)) {
    return `"bridge.sessions" must be an integer of at least 1, not ${JSON.stringify(sessions)}`
  }
  return protocol === 'modern'
    ? '"bridge.sessions" has no meaning with "protocol" "modern", which says that the server has no sessions'
    : undefined
}

const BRIDGE_KEYS: Readonly<Record<keyof BridgeOptions, true>> = { sessions: true }
