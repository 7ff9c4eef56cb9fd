/** The page behind a link, where its user says whether to connect, and from where the browser goes to the service. */
import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { generateRandomCodeVerifier } from 'oauth4webapi'
import { PageFault, userOf } from '../pages/browser.ts'
import { type PageUser, sendFormPage } from '../pages/form-page.ts'
import { parameterOf } from '../pages/forms.ts'
import { storeKey } from '../stores/login-store-key.ts'
import type { GatewayRequest } from '../types.ts'
import { LINK_MS } from './links.ts'
import { ownForm, type PageParts, sealedField, userOrLogin } from './page-parts.ts'
import { connectPage } from './pages/connect.ts'
import { declinedPage, leavingPage } from './pages/outcome.ts'
import type { AttemptRecord, LinkRecord } from './records.ts'
import { serviceFault } from './service-fault.ts'
import { authorizationUrl } from './token-requests.ts'

/** How many times a browser may be sent to the service by one link, with each of these open. */
const MAX_ATTEMPTS_PER_LINK = 5

export class LinkEndpoint {
  readonly #parts: PageParts

  constructor(parts: PageParts) {
    this.#parts = parts
  }

  async ask(id: string, request: GatewayRequest, response: ServerResponse): Promise<void> {
    const { config } = this.#parts
    const action = `${config.path}/link/${id}`
    const user = await userOrLogin(action, this.#parts, request, response)
    if (!user) return
    const link = await this.#linkOf(id, user)
    const fields = { form: sealedField(this.#parts, id, user.id, LINK_MS) }
    sendFormPage(response, 200, connectPage({ title: config.title, user, link, form: { action, fields } }))
  }

  async answer(id: string, request: GatewayRequest, response: ServerResponse): Promise<void> {
    const { config, links } = this.#parts
    const user = await userOf(request, config)
    if (!user) throw forSomebodyElse()
    const link = await this.#linkOf(id, user)
    const form = await ownForm(this.#parts, id, user.id, request)
    const decision = parameterOf(form, 'decision')
    if (decision !== 'connect' && decision !== 'decline') throw linkOver()
    if (decision === 'decline') {
      await links.answer(id, 'declined')
      return sendFormPage(response, 200, declinedPage(config.title, link))
    }
    const url = await this.#leave(id, link)
    sendFormPage(response, 200, leavingPage(config.title, link, url), { refresh: url })
  }

  /** The link of this user. Another user is told nothing of it. */
  async #linkOf(id: string, user: PageUser): Promise<LinkRecord> {
    const link = (await this.#parts.links.find(id))?.record
    if (link && link.user !== user.id) throw forSomebodyElse()
    if (!link || link.state !== 'open' || link.endsAt <= Date.now()) throw linkOver()
    return link
  }

  /** The URL of the service, with a state that brings the answer back here once. */
  async #leave(id: string, link: LinkRecord): Promise<string> {
    const { config, services, records, store } = this.#parts
    const { user, server, url, issuer, resource, scopes } = link
    try {
      const service = await services.of(server, issuer)
      const state = randomBytes(32).toString('base64url')
      const key = attemptKey(state)
      const verifier = generateRandomCodeVerifier()
      const { clientId } = service
      const attempt: AttemptRecord = { user, server, url, issuer, resource, scopes, link: id, verifier, clientId }
      await records.set(key, records.seal(key, attempt), { ttlMs: LINK_MS })
      const over = await store.add(storeKey('attempts', id), key, { ttlMs: LINK_MS, max: MAX_ATTEMPTS_PER_LINK })
      for (const each of over) await store.delete(each)
      const parameters = config.serverOf(server)?.parameters ?? {}
      return await authorizationUrl(service, attempt, { state, redirectUri: config.redirectUri, parameters })
    } catch (error) {
      throw serviceFault(error, issuer)
    }
  }
}

/** The key of what is kept of an authorization request. */
export function attemptKey(state: string): string {
  return storeKey('attempt', state)
}

export function forSomebodyElse(): PageFault {
  return new PageFault({
    status: 403,
    heading: 'This is for somebody else',
    words: 'Another account is logged in here than the one that was asked. Nothing was connected.',
  })
}

function linkOver(): PageFault {
  return new PageFault({
    status: 404,
    heading: 'This link is over',
    words: 'It was open for too long, or has been answered. Try again at the agent, which gets a new one.',
  })
}
