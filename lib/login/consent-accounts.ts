/** The accounts of the user's own that a server needs: they are connected before an agent is let in. */
import type { ParameterList } from '../pages/forms.ts'
import type { NeededAccount } from '../upstream/accounts.ts'
import type { GrantSubject, Hosts } from './hosts.ts'
import type { LoginConfig } from './options.ts'

/** What the form of the consent page holds, sealed: nothing is stored before the user has allowed it. */
export interface SealedConsent {
  readonly parameters: ParameterList
  readonly user: string
  /** The id of the grant to be made. */
  readonly grant: string
}

/** What the URL holds, sealed, by which the browser comes back from connecting an account. */
export interface SealedGoingOn extends SealedConsent {
  /** The accounts that the user was asked for. */
  readonly asked: readonly string[]
}

/** How many accounts of one server are asked for: an aggregate may have many members. */
const MAX_ACCOUNTS = 16

export class ConsentAccounts {
  readonly #hosts: Hosts
  readonly #report: LoginConfig['report']

  constructor(hosts: Hosts, report: LoginConfig['report']) {
    this.#hosts = hosts
    this.#report = report
  }

  /**
   * The page to connect the next account; `undefined` when the agent can be let in. Each is asked for once: a user who
   * declines is asked again by the agent. `returnTo` makes the URL that leads back, from those that were asked for.
   */
  async next(
    resource: string,
    subject: GrantSubject,
    asked: readonly string[],
    returnTo: (asked: readonly string[]) => string,
  ): Promise<string | undefined> {
    if (asked.length >= MAX_ACCOUNTS) return undefined
    let told = asked
    try {
      for (const account of await this.#hosts.accountsFor(resource, subject)) {
        const key = account.subject.server
        if (told.includes(key) || (await account.broker.statusOf(account.subject)) === 'connected') continue
        told = told.concat(key)
        const url = await this.#linkOf(account, subject, returnTo(told))
        if (url !== undefined) return url
      }
    } catch (error) {
      this.#report(error, subject.request)
    }
    return undefined
  }

  /** `undefined` for an account that cannot be connected now: the agent is let in all the same. */
  async #linkOf(
    { broker, subject, title }: NeededAccount,
    { client, request }: GrantSubject,
    returnTo: string,
  ): Promise<string | undefined> {
    try {
      return (await broker.linkFor(subject, { returnTo, title, agent: client.name })).url
    } catch (error) {
      this.#report(error, request)
      return undefined
    }
  }
}
