/** What one request to the engine has in common with what the engine asks for meanwhile. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { GatewayRequest } from '../types.ts'
import type { GrantRecord } from './grants.ts'
import type { FoundClient } from './types.ts'

export interface EngineCall {
  /** The request of the browser or the client, for the hooks of the embedder. */
  readonly request: GatewayRequest
  /** What has been found, so that nothing is looked up twice. */
  readonly clients: Map<string, FoundClient | undefined>
  readonly grants: Map<string, GrantRecord | undefined>
  /** The interaction of an authorization: it is kept nowhere else. */
  interaction?: EngineInteraction | undefined
  /** The refresh token that is issued next. */
  nextRefreshToken?: string | undefined
  /** The first error of the store or of a hook. */
  fault?: unknown
}

/** What the engine wants to be asked of the user. */
export interface EngineInteraction {
  readonly uid: string
  payload: Readonly<Record<string, unknown>>
}

const calls = new AsyncLocalStorage<EngineCall>()

/** Runs what asks the engine. */
export function inEngineCall<T>(request: GatewayRequest, work: (call: EngineCall) => Promise<T>): Promise<T> {
  const call: EngineCall = { request, clients: new Map(), grants: new Map() }
  return calls.run(call, () => work(call))
}

export function engineCall(): EngineCall {
  const call = calls.getStore()
  if (!call) throw new Error('The engine was asked outside of a request')
  return call
}
