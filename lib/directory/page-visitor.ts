/** What a page knows of its visitor: who it is, where to sign in, and whether things may be tried. */
import { isLoopbackRequest } from '../inbound/host-origin.ts'
import type { GatewayRequest, Principal } from '../types.ts'
import type { Settings } from './settings.ts'

/** What a page says of its visitor. */
export interface PageVisitor {
  /** `undefined` when the gateway is public, or the visitor is not known. */
  readonly principal: Principal | undefined
  /** Where the visitor signs in; `undefined` if the page does not know, or the visitor has. */
  readonly signIn: string | undefined
  /** Whether the visitor may try tools on the page. */
  readonly mayTry: boolean
  /** Whether the visitor may see the activity. */
  readonly maySeeActivity?: boolean
}

/**
 * `isUnknown` says that the visitor is to sign in. Where there is no authentication, only who is at the machine itself
 * may try things: tools of a public gateway are for programs, not for whoever finds the page.
 */
export function pageVisitor(
  { loginUrl, tryIt }: Pick<Settings, 'loginUrl' | 'tryIt'>,
  { headers, socket, originalUrl, url = '/' }: GatewayRequest,
  principal: Principal | undefined,
  isUnknown: boolean = false,
): PageVisitor {
  const returnTo = encodeURIComponent(originalUrl ?? url)
  const signIn = loginUrl && `${loginUrl}${loginUrl.includes('?') ? '&' : '?'}return_to=${returnTo}`
  const isLocal = isLoopbackRequest(headers.host, socket.localAddress)
  return { principal, signIn: isUnknown ? signIn : undefined, mayTry: tryIt && (principal !== undefined || isLocal) }
}
