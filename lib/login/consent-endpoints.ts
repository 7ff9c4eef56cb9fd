/** The authorization endpoint, which answers the consent page, and where the form of that page is posted to. */
import type { ServerResponse } from 'node:http'
import type { GatewayRequest } from '../types.ts'
import { inHookTime } from '../util/hook-timeout.ts'
import { asksForConsent, asksForOtherMode, prepareParameters } from './authorization-request.ts'
import { loginUrlFor, PageFault, redirect, userOf } from '../pages/browser.ts'
import { agentClient } from './clients.ts'
import { ConsentAccounts, type SealedConsent, type SealedGoingOn } from './consent-accounts.ts'
import {
  expiredForm,
  faultOfRequest,
  foreignForm,
  impossible,
  NO_CLIENT,
  NO_SERVER,
  otherUser,
} from './consent-faults.ts'
import type { RequestFault, UserDecision, ValidRequest } from './engine.ts'
import { newGrantId } from './grants.ts'
import type { LoginParts } from './login-parts.ts'
import type { AgentUser } from './agent-login-options.ts'
import { accountPage, consentPage, returnPage, sendFormPage } from './pages/index.ts'
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

/** The parameter by which the browser goes on. */
const GO_ON = 'go'

/** How long a page can be answered, in seconds. */
const CONSENT_S = 600

/**
 * Added to the path that the app's login goes back to, where the request came from another site: what the app sends back
 * looks like a request of its own.
 */
const CONFIRM = 'confirm'

/** Where the browser goes on to: the client, or a page that connects an account before. */
interface Onward {
  readonly to: 'client' | 'account'
  readonly url: string
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
  readonly #accounts: ConsentAccounts

  constructor(parts: LoginParts) {
    this.#parts = parts
    this.#accounts = new ConsentAccounts(parts.hosts, parts.config.report)
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
      const sealed = { parameters, user: user.id, grant: newGrantId(), asked: [] }
      return redirect(response, (await this.#goOn(question, sealed, request)).url)
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
    const onward: Onward =
      decision === 'deny'
        ? { to: 'client', url: this.#urlOf(await engine.decide(parameters, 'denied', request)) }
        : await this.#goOn(await this.#question(parameters, valid, user, request), { ...sealed, asked: [] }, request)
    this.#sendOnward(response, onward, valid, decision === 'allow' ? 'allowed' : 'denied')
  }

  /** GET: the browser comes back from the page where an account was connected, or was not. */
  async resume(request: GatewayRequest, response: ServerResponse): Promise<void> {
    const { config, secrets } = this.#parts
    const text = parameterOf(parameterList(splitUrl(request)[1]), GO_ON) ?? ''
    const sealed = secrets.open('goOn', text) as SealedGoingOn | undefined
    if (!sealed) throw expiredForm()
    const user = await userOf(request, config)
    if (!user) return redirect(response, loginUrlFor(this.#resumePath(sealed), config))
    if (user.id !== sealed.user) throw otherUser()
    const { parameters } = sealed
    const valid = await this.#check(parameters, request)
    const question = await this.#question(parameters, valid, user, request)
    this.#sendOnward(response, await this.#goOn(question, sealed, request), valid, 'allowed')
  }

  /** Lets the agent in, but has the user connect the accounts before that its server needs. */
  async #goOn(question: Question, sealed: SealedGoingOn, request: GatewayRequest): Promise<Onward> {
    const { client, server, user, valid } = question
    const subject = { user: user.id, client, scopes: valid.scopes, grant: undefined, request }
    const back = (asked: readonly string[]): string =>
      new URL(this.#resumePath({ ...sealed, asked }), this.#parts.config.origin).href
    const account = await this.#accounts.next(server.url, subject, sealed.asked, back)
    if (account !== undefined) return { to: 'account', url: account }
    return { to: 'client', url: await this.#allow(question, sealed.grant, request) }
  }

  #resumePath(sealed: SealedGoingOn): string {
    const { config, secrets } = this.#parts
    return `${config.path}${PATHS.consent}?${GO_ON}=${secrets.seal('goOn', sealed, CONSENT_S)}`
  }

  #sendOnward(
    response: ServerResponse,
    { to, url }: Onward,
    { client: found, redirectUri }: ValidRequest,
    decision: 'allowed' | 'denied',
  ): void {
    const { title } = this.#parts.config
    const client = agentClient(found, redirectUri)
    const page = to === 'client' ? returnPage({ title, client, decision, url }) : accountPage({ title, client, url })
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
