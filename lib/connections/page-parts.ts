/** The parts that the pages share, and what all of them do: know the user, and trust no form but their own. */
import type { ServerResponse } from 'node:http'
import { loginUrlFor, PageFault, redirect, userOf } from '../pages/browser.ts'
import type { PageUser } from '../pages/form-page.ts'
import { isOfOwnPage, type ParameterList, parameterOf, readForm } from '../pages/forms.ts'
import type { GatewayRequest, LoginStore } from '../types.ts'
import { parseJson } from '../util/json.ts'
import type { Connections } from './connections.ts'
import type { Links } from './links.ts'
import type { ConnectionsConfig } from './options.ts'
import type { SealedRecords } from './records.ts'
import type { Services } from './services.ts'

export interface PageParts {
  readonly config: ConnectionsConfig
  readonly connections: Connections
  readonly links: Links
  readonly services: Services
  readonly records: SealedRecords
  readonly store: LoginStore
}

/** The user of this browser; without one the browser goes to the app's login, which comes back to this path. */
export async function userOrLogin(
  path: string,
  { config }: PageParts,
  request: GatewayRequest,
  response: ServerResponse,
): Promise<PageUser | undefined> {
  const user = await userOf(request, config)
  if (!user) redirect(response, loginUrlFor(path, config))
  return user
}

/** The hidden field of a form: it counts for this purpose, this user and so long. */
export function sealedField({ config }: PageParts, purpose: string, user: string, forMs: number): string {
  return config.keys.seal(JSON.stringify([user, Date.now() + forMs]), `form ${purpose}`)
}

/** Throws a page for a form of another site, and for one that this user was not shown for this purpose. */
export async function ownForm(
  { config }: PageParts,
  purpose: string,
  user: string,
  request: GatewayRequest,
): Promise<ParameterList> {
  if (!isOfOwnPage(request, config.origin)) throw notOwnForm()
  const form = await readForm(request)
  const text = config.keys.open(parameterOf(form, 'form') ?? '', `form ${purpose}`)
  const [of, endsAt] = (text === undefined ? [] : parseJson(text)) as [string?, number?]
  if (of !== user || endsAt === undefined || endsAt <= Date.now()) throw notOwnForm()
  return form
}

function notOwnForm(): PageFault {
  return new PageFault({
    status: 403,
    heading: 'Nothing was changed',
    words: 'The page was open for too long, or another account is logged in. Open it again.',
  })
}
