/** What the parts of the login have in common: the engine on one side, clients and pages on the other. */
import type { JSONWebKeySet } from 'jose'
import type { PageForm, PageUser } from '../pages/form-page.ts'

/** An agent's client, as its user sees it. */
export interface AgentClient {
  /** The `client_id`: the URL of a metadata document, or an id that was registered or configured. */
  readonly id: string
  /** What the client calls itself. Nobody has verified it. */
  readonly name: string
  /** The host of the client's metadata document; `undefined` where it registered itself, or was configured. */
  readonly verifiedHost: string | undefined
  /** Where the code goes: a host, `loopback`, or `app:` and the scheme of an app on the user's device. */
  readonly redirectHost: string
}

/** Where the description of a client comes from: the option `clients`, its metadata document, or registration. */
export type ClientOrigin = 'known' | 'document' | 'registered'

/** A client as the engine needs it, normalised: whatever its metadata says of other features is gone. */
export interface FoundClient {
  readonly id: string
  readonly origin: ClientOrigin
  /** Cleaned: no control or direction characters, at most 100 characters. */
  readonly name: string
  readonly redirectUris: readonly string[]
  readonly authMethod: 'none' | 'private_key_jwt'
  readonly jwks?: JSONWebKeySet | undefined
  readonly jwksUri?: string | undefined
}

/** Finds clients of one origin. */
export interface ClientSource {
  /**
   * The client of an id; `undefined` for an id of another origin, and for one that nobody has. A client that is there
   * but cannot be used is a `ClientRefused`, whose message is for the person at the browser.
   */
  find(id: string): Promise<FoundClient | undefined>
}

/** Why a client cannot log in, as a sentence for the person at the browser and for whoever writes the client. */
export class ClientRefused extends Error {
  override readonly name = 'ClientRefused'
}

/** The page that asks whether an agent may use a server. The form is posted with `decision` `allow` or `deny`. */
export interface ConsentView {
  /** The title of the app; `undefined` where none is configured. */
  readonly title: string | undefined
  readonly server: { readonly name: string; readonly title: string; readonly url: string }
  readonly client: AgentClient
  readonly origin: ClientOrigin
  /** The redirect URI itself. */
  readonly redirectUri: string
  /** What is asked for, in the words of the option `scopes`. */
  readonly scopes: readonly { readonly name: string; readonly words: string }[]
  readonly user: PageUser
  readonly form: PageForm
  /** The app's login page, which leads back here. */
  readonly otherAccountUrl: string
}

/** The page after the answer: the browser goes on to the client by itself (`Refresh`), and there is a link. */
export interface ReturnView {
  readonly title: string | undefined
  readonly client: AgentClient
  readonly decision: 'allowed' | 'denied'
  /** Where the client waits. Already checked against its redirect URIs; may be of any scheme. */
  readonly url: string
}

/** The page on the way to where an account is connected. */
export interface AccountView {
  readonly title: string | undefined
  readonly client: AgentClient
  readonly url: string
}

/** The page of connected agents. Each is ended by the form, posted with `grant`. */
export interface AgentsView {
  readonly title: string | undefined
  readonly user: PageUser
  readonly agents: readonly (ConnectedAgent & { readonly titles: Readonly<Record<string, string>> })[]
  readonly form: PageForm
}

/** An agent that a user let in. */
export interface ConnectedAgent {
  readonly client: AgentClient
  /** Identifies this one authorization: a client may have several. */
  readonly grant: string
  /** The granted scopes by the name of the server. */
  readonly servers: Readonly<Record<string, readonly string[]>>
  readonly since: Date
  readonly lastUsed: Date
}
