/** The accounts of their own that servers need of visitors: whether they are connected, and the form that changes it. */
import type { ServerResponse } from 'node:http'
import { GatewayError } from '../errors.ts'
import type { ConnectionBroker, ConnectionSubject } from '../exchange/connections.ts'
import { BadForm, isOfOwnPage, parameterOf, type ParameterList, readForm } from '../pages/forms.ts'
import type { GatewayRequest, ServerConfig } from '../types.ts'
import { accountsFor, type NeededAccount } from '../upstream/accounts.ts'
import type { Visitor } from './listing.ts'
import { goingOnPage } from './page.ts'
import { pageVisitor } from './page-visitor.ts'
import { sendPage } from './respond.ts'
import type { Settings } from './settings.ts'

/** An account that a server, or a member of an aggregate, needs. */
export interface ServerAccount {
  /** The name of the member; empty for the server itself. */
  readonly member: string
  readonly isConnected: boolean
}

export class Accounts {
  readonly #settings: Settings

  constructor(settings: Settings) {
    this.#settings = settings
  }

  /** The accounts that a server needs of this visitor. What fails is reported, and left out. */
  async of(name: string, config: ServerConfig, visitor: Visitor): Promise<readonly ServerAccount[]> {
    const { principal, request } = visitor
    try {
      const known = await this.#known(name, config, visitor)
      return await Promise.all(
        known.map(async ({ member, broker, subject }) => ({
          member,
          isConnected: (await broker.statusOf(subject)) === 'connected',
        })),
      )
    } catch (error) {
      this.#settings.gateway.faultOf(error, { server: name, principal, request })
      return []
    }
  }

  /** Serves the form: leads the visitor to the page that connects an account, or disconnects it. */
  async change(name: string, request: GatewayRequest, response: ServerResponse, visitor: Visitor): Promise<void> {
    const { gateway } = this.#settings
    const config = await gateway.lookUpServer(request, name, visitor.principal)
    const origin = new URL(visitor.mount).origin
    if (!isOfThisPage(request, origin)) {
      throw new GatewayError('forbidden', 'Accounts are connected and disconnected on this page only')
    }
    const form = await formOf(request)
    const member = parameterOf(form, 'member') ?? ''
    const account = (await this.#known(name, config, visitor)).find((each) => each.member === member)
    if (!account) throw new GatewayError('not_found', 'This server needs no account of yours')
    const { broker, subject, title } = account
    const back = `?server=${encodeURIComponent(name)}`
    if (parameterOf(form, 'account') === 'disconnect') {
      await broker.disconnect(subject)
      return gateway.send(response, 303, { location: back, 'content-length': 0 })
    }
    const url = await linkTo(broker, subject, `${visitor.mount}/${back}`, title)
    const who = pageVisitor(this.#settings, request, visitor.principal)
    // Not a redirect: `form-action` would hold for all that follows it.
    const head = { headers: { refresh: `0; url=${url}` } }
    sendPage(gateway.send, response, (nonce) => goingOnPage(this.#settings, url, who, nonce), head)
  }

  async #known(name: string, config: ServerConfig, visitor: Visitor): Promise<readonly NeededAccount[]> {
    const { principal, request } = visitor
    return accountsFor(this.#settings.gateway.connect({ server: name, config, principal, request }).parent)
  }
}

/** Nothing in the form is secret, so a browser must say where it comes from. */
function isOfThisPage(request: GatewayRequest, pageOrigin: string): boolean {
  const { 'sec-fetch-site': site, origin } = request.headers
  return isOfOwnPage(request, pageOrigin) && (site !== undefined || origin === pageOrigin)
}

async function formOf(request: GatewayRequest): Promise<ParameterList> {
  try {
    return await readForm(request)
  } catch (error) {
    if (error instanceof BadForm) throw new GatewayError('bad_request', error.message)
    throw error
  }
}

/** The page that connects an account. It leads back here if both are of one origin. */
async function linkTo(
  broker: ConnectionBroker,
  subject: ConnectionSubject,
  returnTo: string,
  title: string | undefined,
): Promise<string> {
  try {
    return (await broker.linkFor(subject, { returnTo, title })).url
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    return (await broker.linkFor(subject, { title })).url
  }
}
