/** Tells clients that the list of tools has changed although their server has not said so. */
import type { Exchange } from '../../exchange/exchange.ts'
import { META } from '../../protocol.ts'
import type { Interceptor } from '../../types.ts'
import { member } from '../../util/json.ts'

/** Tells one client. */
type TellClient = () => void

/** The clients that listen through an interceptor. */
const listeners = new WeakMap<Interceptor, Set<TellClient>>()

/** Tells everybody who listens through this interceptor. */
export function tellChanged(interceptor: Interceptor): void {
  for (const tell of listeners.get(interceptor) ?? []) tell()
}

/** Calls back when the rules of any of these interceptors have changed, until that is taken back. */
export function onChanged(interceptors: readonly Interceptor[], tell: TellClient): () => void {
  for (const interceptor of interceptors) {
    const known = listeners.get(interceptor)
    if (known) known.add(tell)
    else listeners.set(interceptor, new Set([tell]))
  }
  return () => {
    for (const interceptor of interceptors) listeners.get(interceptor)?.delete(tell)
  }
}

/** What a client that listens is told; `undefined` for a stream on which it does not want to hear of it. (ST15) */
export function toolsChangedMessage({ verb, message, listens }: Exchange): string | undefined {
  const method = 'notifications/tools/list_changed'
  if (verb === 'GET') return JSON.stringify({ jsonrpc: '2.0', method })
  if (!listens || message?.kind !== 'request') return undefined
  if (member(member(message.params, 'notifications'), 'toolsListChanged') !== true) return undefined
  return JSON.stringify({ jsonrpc: '2.0', method, params: { _meta: { [META.subscriptionId]: message.id } } })
}
