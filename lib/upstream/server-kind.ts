/** What kind of server a config is, and what follows from that alone. Pure. */
import type { AggregateServer, Era, PipeServer, ServerConfig, SseServer } from '../types.ts'
import { isObject } from '../util/json.ts'

export function isPipeServer(config: unknown): config is PipeServer {
  return isObject(config) && 'pipe' in config
}

export function isSseServer(config: unknown): config is SseServer {
  return isObject(config) && config['type'] === 'sse'
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

/** What is wrong with the option `bridge`, if anything is. */
export function faultOfBridge(bridge: unknown): string | undefined {
  if (bridge === undefined || bridge === false) return undefined
  return `"bridge" must be false, which refuses clients with sessions, or be left out, not ${JSON.stringify(bridge)}`
}
