/** Where services send the browser back: takes the answer once, from the user who was asked, and gets the tokens. */
import type { ServerResponse } from 'node:http'
import { AuthorizationResponseError, validateAuthResponse } from 'oauth4webapi'
import { PageFault, userOf } from '../pages/browser.ts'
import { sendFormPage } from '../pages/form-page.ts'
import { parameterList, parameterOf, splitUrl } from '../pages/forms.ts'
import type { GatewayRequest } from '../types.ts'
import { attemptKey, forSomebodyElse } from './link-endpoint.ts'
import type { PageParts } from './page-parts.ts'
import { connectedPage, declinedPage, sameSitePage } from './pages/outcome.ts'
import type { AttemptRecord, ConnectionRecord, LinkRecord } from './records.ts'
import { cannotConnect, serviceFault } from './service-fault.ts'
import { type GrantedTokens, requestTokens, revokeTokens } from './token-requests.ts'
import type { Service } from './services.ts'

const MAX_QUERY_LENGTH = 8_192
/** Marks the second opening of the page, by itself. */
const AGAIN = 'opened_again'

export class CallbackEndpoint {
  readonly #parts: PageParts

  constructor(parts: PageParts) {
    this.#parts = parts
  }

  async answer(request: GatewayRequest, response: ServerResponse): Promise<void> {
    const { config, records, links } = this.#parts
    const query = splitUrl(request)[1]
    const state = parameterOf(parameterList(query.slice(0, MAX_QUERY_LENGTH)), 'state')
    if (state === undefined || query.length > MAX_QUERY_LENGTH) throw usedUp()
    const key = attemptKey(state)
    const waiting = await records.get<AttemptRecord>(key)
    if (!waiting) throw usedUp()
    const user = await userOf(request, config)
    if (!user && isFromService(request, query)) return this.#openAgain(query, response)
    if (user?.id !== waiting.record.user) throw forSomebodyElse()
    // One of many that try at once gets it, at whichever node.
    const attempt = await records.take<AttemptRecord>(key)
    if (!attempt) throw usedUp()
    const link = (await links.find(attempt.link))?.record
    if (link?.state !== 'open') throw usedUp()
    const isDeclined = await this.#connect(new URLSearchParams(query), state, attempt)
    await links.answer(attempt.link, isDeclined ? 'declined' : 'connected')
    if (isDeclined) return sendFormPage(response, 200, declinedPage(config.title, link))
    sendFormPage(response, 200, connectedPage(config.title, link, `${config.path}/`), refreshTo(link))
  }

  /** A browser with strict cookies sends none to a page that another site leads to, but to one that leads to itself. */
  #openAgain(query: string, response: ServerResponse): void {
    const { config } = this.#parts
    const url = `${config.redirectUri}?${query}&${AGAIN}=1`
    sendFormPage(response, 200, sameSitePage(config.title, url), { refresh: url })
  }

  /** Resolves with whether the user said no at the service. */
  async #connect(given: URLSearchParams, state: string, attempt: AttemptRecord): Promise<boolean> {
    const { config, services } = this.#parts
    const { server, issuer } = attempt
    try {
      const service = await services.of(server, issuer)
      if (service.clientId !== attempt.clientId) throw new Error(`The gateway has become another client of ${issuer}`)
      const parameters = validateAuthResponse(service.metadata, { client_id: service.clientId }, given, state)
      const granted = await requestTokens(service, { parameters, redirectUri: config.redirectUri }, attempt)
      await this.#keep(service, attempt, granted)
      return false
    } catch (error) {
      if (error instanceof AuthorizationResponseError) {
        if (error.error === 'access_denied') return true
        throw this.#failed(cannotConnect(`${issuer} answered an error: ${standardCode(error.error)}`), attempt)
      }
      throw this.#failed(serviceFault(error, issuer), attempt)
    }
  }

  /** Tokens that cannot be kept are ended, so that nobody has them. */
  async #keep(service: Service, attempt: AttemptRecord, { tokens, scopes }: GrantedTokens): Promise<void> {
    const { user, server, url, issuer, clientId, resource } = attempt
    const now = Date.now()
    const record: ConnectionRecord = {
      user,
      server,
      url,
      issuer,
      clientId,
      resource,
      scopes: scopes ?? attempt.scopes,
      tokens,
      since: now,
      usedAt: now,
    }
    try {
      await this.#parts.connections.write(record)
    } catch (error) {
      await revokeTokens(service, tokens).catch(() => {})
      throw error
    }
  }

  /** The operator hears why, and the user that it did not work. */
  #failed(error: Error, { server, issuer }: AttemptRecord): PageFault {
    this.#parts.config.report(error, { server })
    return new PageFault({
      status: 502,
      heading: 'Your account was not connected',
      words: `The answer of ${new URL(issuer).host} could not be used. Open the link again to try once more.`,
    })
  }
}

function isFromService({ headers }: GatewayRequest, query: string): boolean {
  return headers['sec-fetch-site'] === 'cross-site' && !new URLSearchParams(query).has(AGAIN)
}

function refreshTo({ returnTo }: LinkRecord): { readonly refresh?: string } {
  return returnTo === undefined ? {} : { refresh: returnTo }
}

/** RFC 6749, section 4.1.2.1; what else a service says may be anything. */
function standardCode(code: string): string {
  return /^[a-z_]{1,40}$/.test(code) ? code : 'one that no standard has'
}

function usedUp(): PageFault {
  return new PageFault({
    status: 400,
    heading: 'This answer cannot be used again',
    words:
      'It has been used, came too late, or was interrupted. If your account is not connected now, open the link again, or try again at the agent.',
  })
}
