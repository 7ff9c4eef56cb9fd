/** Notifies clients that the list of tools has changed because a rule of the gateway has. */
import type { Exchange } from '../../exchange/exchange.ts'
import { META } from '../../protocol.ts'
import type { Interceptor } from '../../types.ts'
import { member } from '../../util/json.ts'

/** Notifies one client. */
type TellClient = () => void

/** The listening clients by interceptor; weak, since embedders may make interceptors per request. */
const listeners = new WeakMap<Interceptor, Set<TellClient>>()

/** Notifies the clients whose listening streams pass this interceptor. */
export function tellChanged(interceptor: Interceptor): void {
  for (const tell of listeners.get(interceptor) ?? []) tell()
}

/** Calls `tell` when the rules of any of these interceptors change. Returns a function that ends this. */
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

/** The notification for a listening stream; `undefined` for one whose filter does not include it. (ST15) */
export function toolsChangedMessage({ verb, message, listens }: Exchange): string | undefined {
  const method = 'notifications/tools/list_changed'
  if (verb === 'GET') return JSON.stringify({ jsonrpc: '2.0', method })
  if (!listens || message?.kind !== 'request') return undefined
  if (member(member(message.params, 'notifications'), 'toolsListChanged') !== true) return undefined
  return JSON.stringify({ jsonrpc: '2.0', method, params: { _meta: { [META.subscriptionId]: message.id } } })
}
