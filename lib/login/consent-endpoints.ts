/** The authorization endpoint, which answers the consent page, and where the form of that page is posted to. */
import type { ServerResponse } from 'node:http'
import type { GatewayRequest } from '../types.ts'
import { inHookTime } from '../util/hook-timeout.ts'
import { asksForConsent, asksForOtherMode, prepareParameters } from './authorization-request.ts'
import { loginUrlFor, PageFault, redirect, userOf } from '../pages/browser.ts'
import { agentClient } from './clients.ts'
import type { RequestFault, UserDecision, ValidRequest } from './engine.ts'
import { newGrantId } from './grants.ts'
import type { LoginParts } from './login-parts.ts'
import type { AgentUser } from './agent-login-options.ts'
import { consentPage, returnPage, sendFormPage } from './pages/index.ts'
import { PATHS } from './paths.ts'
import {
  isOfNoOtherSite,
  isOfOwnPage,
  type ParameterList,
  parameterList,
  parameterOf,
  readForm,
  splitUrl,
} from '../pages/forms.ts'
import type { AgentClient } from './types.ts'

/** How long a page can be answered, in seconds. */
const CONSENT_S = 600

/**
 * Added to the path that the app's login goes back to, where the request came from another site: what the app sends back
 * looks like a request of its own.
 */
const CONFIRM = 'confirm'

/** What the form of the consent page holds, sealed: nothing is stored before the user has allowed it. */
interface SealedConsent {
  readonly parameters: ParameterList
  readonly user: string
  /** The id of the grant to be made. */
  readonly grant: string
}

/** An authorization request, and who is to answer it. */
interface Question {
  readonly parameters: ParameterList
  readonly valid: ValidRequest
  readonly client: AgentClient
  readonly server: { readonly name: string; readonly title: string; readonly url: string }
  readonly user: AgentUser
}

export class ConsentEndpoints {
  readonly #parts: LoginParts

  constructor(parts: LoginParts) {
    this.#parts = parts
  }

  /** GET: asks the user, who is sent to the app's login first where nobody is logged in. */
  async ask(request: GatewayRequest, response: ServerResponse): Promise<void> {
    const { config, secrets } = this.#parts
    const given = parameterList(splitUrl(request)[1])
    const parameters = prepareParameters(given, config)
    const valid = await this.#check(parameters, request)
    const user = await userOf(request, config)
    if (!user) return redirect(response, this.#loginUrl(parameters, request))
    const question = await this.#question(parameters, valid, user, request)
    const { client, server } = question
    const mayRemember = config.remember && isOfNoOtherSite(request) && !given.some(([name]) => name === CONFIRM)
    if (mayRemember && !asksForConsent(parameters) && (await this.#isRemembered(question))) {
      return redirect(response, await this.#allow(question, newGrantId(), request))
    }
    const sealed: SealedConsent = { parameters, user: user.id, grant: newGrantId() }
    const page = consentPage({
      title: config.title,
      server,
      client,
      origin: valid.client.origin,
      redirectUri: valid.redirectUri,
      scopes: valid.scopes.map((name) => ({ name, words: config.scopes[name] ?? name })),
      user,
      form: {
        action: config.path + PATHS.consent,
        fields: { request: secrets.seal('consent', sealed, CONSENT_S) },
      },
      otherAccountUrl: this.#loginUrl(parameters, request),
    })
    sendFormPage(response, 200, page)
  }

  /** POST: the answer of the user. */
  async answer(request: GatewayRequest, response: ServerResponse): Promise<void> {
    const { config, secrets, engine } = this.#parts
    if (!isOfOwnPage(request, config.origin)) throw foreignForm()
    const form = await readForm(request)
    const sealed = secrets.open('consent', parameterOf(form, 'request') ?? '') as SealedConsent | undefined
    const decision = parameterOf(form, 'decision')
    if (!sealed || (decision !== 'allow' && decision !== 'deny')) throw expiredForm()
    const { parameters } = sealed
    const user = await userOf(request, config)
    if (!user) return redirect(response, this.#loginUrl(parameters, request))
    if (user.id !== sealed.user) throw otherUser()
    const valid = await this.#check(parameters, request)
    const client = agentClient(valid.client, valid.redirectUri)
    const url =
      decision === 'deny'
        ? this.#urlOf(await engine.decide(parameters, 'denied', request))
        : await this.#allow(await this.#question(parameters, valid, user, request), sealed.grant, request)
    const page = returnPage({
      title: config.title,
      client,
      decision: decision === 'allow' ? 'allowed' : 'denied',
      url,
    })
    sendFormPage(response, 200, page, { refresh: url })
  }

  async #check(parameters: ParameterList, request: GatewayRequest): Promise<ValidRequest> {
    if (asksForOtherMode(parameters)) throw impossible('The agent asks for an answer in a form that there is not here.')
    const checked = await this.#parts.engine.check(parameters, request)
    if ('error' in checked) throw faultOfRequest(checked)
    return checked
  }

  /** Throws a page for a server or a client that this user may not use. */
  async #question(
    parameters: ParameterList,
    valid: ValidRequest,
    user: AgentUser,
    request: GatewayRequest,
  ): Promise<Question> {
    const { config, hosts } = this.#parts
    const client = agentClient(valid.client, valid.redirectUri)
    const { resource, scopes } = valid
    const { name } = hosts.serverOf(resource)!
    const title = await hosts.titleFor(resource, { user: user.id, client, scopes, grant: undefined, request })
    if (title === undefined) throw await this.#refusal(parameters, client, NO_SERVER, request)
    const { allowClient } = config
    const isAllowed =
      !allowClient || (await inHookTime(allowClient(client, { user, server: name }), '"allowClient" of agentLogin'))
    if (!isAllowed) throw await this.#refusal(parameters, client, NO_CLIENT, request)
    return { parameters, valid, client, server: { name, title, url: resource }, user }
  }

  /** Makes a grant, and resolves with the URL that has the code. */
  async #allow(question: Question, grant: string, request: GatewayRequest): Promise<string> {
    const { grants, engine, renew } = this.#parts
    const { parameters, valid, client, server, user } = question
    const { resource, scopes } = valid
    const made = { user: user.id, client, server: server.name, title: server.title, resource, scopes }
    if (!(await grants.create(grant, made))) throw expiredForm()
    await renew(client.id)
    return this.#urlOf(await engine.decide(parameters, { user: user.id, grant }, request))
  }

  async #isRemembered({ user, client, valid, server }: Question): Promise<boolean> {
    if (!valid.redirectUri.startsWith('https:')) return false
    const granted = await this.#parts.grants.list(user.id, client.id)
    return granted.some(
      ([, grant]) =>
        grant.server === server.name &&
        grant.resource === valid.resource &&
        grant.client.redirectHost === client.redirectHost &&
        valid.scopes.every((scope) => grant.scopes.includes(scope)),
    )
  }

  /** The page of a request that nobody may allow; it tells the client by a link. */
  async #refusal(
    parameters: ParameterList,
    client: AgentClient,
    words: readonly [heading: string, words: string],
    request: GatewayRequest,
  ): Promise<PageFault> {
    const denied: UserDecision = 'denied'
    const url = this.#urlOf(await this.#parts.engine.decide(parameters, denied, request))
    return new PageFault({ status: 403, heading: words[0], words: words[1], back: { url, client } })
  }

  #urlOf(decided: string | RequestFault): string {
    if (typeof decided === 'string') return decided
    throw faultOfRequest(decided)
  }

  /** The app's login, which comes back to this request. */
  #loginUrl(parameters: ParameterList, request: GatewayRequest): string {
    const { config } = this.#parts
    const query = new URLSearchParams(parameters.map(([name, value]): [string, string] => [name, value]))
    if (config.remember && !isOfNoOtherSite(request)) query.set(CONFIRM, '1')
    return loginUrlFor(`${config.path}${PATHS.authorize}?${query.toString()}`, config)
  }
}

const NO_SERVER = [
  'You cannot use this server',
  'Your account has no access to the server that the agent asks for.',
] as const
const NO_CLIENT = [
  'This agent is not allowed here',
  'Agents like this one may not be connected to this server.',
] as const

function faultOfRequest({ status, error, description, back }: RequestFault): PageFault {
  const words = description === undefined ? `${error}.` : `${error}: ${description}.`
  return new PageFault({
    status,
    heading: 'This agent cannot be connected',
    words,
    ...(back && { back: { url: back.url, client: agentClient(back.client, back.url) } }),
  })
}

function impossible(words: string): PageFault {
  return new PageFault({ status: 400, heading: 'This agent cannot be connected', words })
}

function foreignForm(): PageFault {
  return new PageFault({
    status: 403,
    heading: 'This answer came from another page',
    words: 'An answer counts only if it is given on the page that asks. Start again at the agent.',
  })
}

function expiredForm(): PageFault {
  return new PageFault({
    status: 400,
    heading: 'This question is over',
    words: 'It was open for too long, or has been answered. Start again at the agent.',
  })
}

function otherUser(): PageFault {
  return new PageFault({
    status: 403,
    heading: 'Another account is logged in',
    words: 'The account has changed since you were asked. Start again at the agent.',
  })
}
