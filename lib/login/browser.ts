/** What all pages need: the user who is logged in to the app, the way to the app's login, and pages that say why not. */
import type { ServerResponse } from 'node:http'
import type { GatewayRequest } from '../types.ts'
import { inHookTime } from '../util/hook-timeout.ts'
import { kindOf } from '../util/json.ts'
import type { AgentUser } from './agent-login-options.ts'
import type { LoginConfig } from './options.ts'
import { faultPage, sendLoginPage } from './pages/index.ts'
import type { FaultView } from './types.ts'

/** A page that says why it does not go on, to be thrown. */
export class PageFault extends Error {
  override readonly name = 'PageFault'
  readonly view: Omit<FaultView, 'title'>

  constructor(view: Omit<FaultView, 'title'>) {
    super(view.words)
    this.view = view
  }
}

/** The user of this browser; `undefined` for nobody. */
export async function userOf(request: GatewayRequest, { user }: LoginConfig): Promise<AgentUser | undefined> {
  const found: unknown = await inHookTime(user(request), '"user" of agentLogin')
  if (found === undefined || found === null) return undefined
  const { id } = found as Partial<AgentUser>
  if (typeof id === 'string' && id !== '') return found as AgentUser
  throw new TypeError(`agentLogin: "user" must answer { id } with a text that is not empty, not ${kindOf(id)}`)
}

/** The app's login page, which goes back to this path. */
export function loginUrlFor(path: string, { loginUrl }: LoginConfig): string {
  return `${loginUrl}${loginUrl.includes('?') ? '&' : '?'}return_to=${encodeURIComponent(path)}`
}

export function redirect(response: ServerResponse, url: string): void {
  response.writeHead(303, {
    location: url,
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'content-length': 0,
  })
  response.end()
}

export function sendFault(response: ServerResponse, view: Omit<FaultView, 'title'>, { title }: LoginConfig): void {
  sendLoginPage(response, view.status, faultPage({ ...view, title }))
}
