/** What all pages need: the user who is logged in to the app, the way to the app's login, and pages that say why not. */
import type { ServerResponse } from 'node:http'
import type { Awaitable, GatewayRequest } from '../types.ts'
import { inHookTime } from '../util/hook-timeout.ts'
import { kindOf } from '../util/json.ts'
import { faultPage, type FaultView } from './fault-page.ts'
import { type PageUser, sendFormPage } from './form-page.ts'

/** What pages need of the app. */
export interface AppPages {
  /** The function of the library whose pages they are, for the operator. */
  readonly caller: string
  /** The hook that answers who is logged in. */
  readonly user: (request: GatewayRequest) => Awaitable<PageUser | null | undefined>
  readonly loginUrl: string
  readonly title: string | undefined
}

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
export async function userOf(request: GatewayRequest, { caller, user }: AppPages): Promise<PageUser | undefined> {
  const found = await inHookTime(user(request), `"user" of ${caller}`)
  if (found === undefined || found === null) return undefined
  const id: unknown = found.id
  if (typeof id === 'string' && id !== '') return found
  throw new TypeError(`${caller}: "user" must answer { id } with a text that is not empty, not ${kindOf(id)}`)
}

/** The app's login page, which goes back to this path. */
export function loginUrlFor(path: string, { loginUrl }: Pick<AppPages, 'loginUrl'>): string {
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

export function sendFault(
  response: ServerResponse,
  view: Omit<FaultView, 'title'>,
  { title }: Pick<AppPages, 'title'>,
): void {
  sendFormPage(response, view.status, faultPage({ ...view, title }))
}
