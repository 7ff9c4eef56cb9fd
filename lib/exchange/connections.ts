/** What the rest of the gateway uses of `userConnections()`: its error, and the broker behind a `headers` function. */
import { GatewayError } from '../errors.ts'

/** An account at the service of a server: whose it is, and of which server. The server's name is for people and `servers`. */
export interface ConnectionSubject {
  /** The `id` of the principal. */
  readonly user: string
  readonly server: string
  /** The server's URL. Several names for one URL share a connection. */
  readonly url: string
}

/** A page where the user connects an account. */
export interface ConnectionLink {
  /** Identifies it; nobody can guess it, and for anyone but the user it opens nothing. */
  readonly id: string
  readonly url: string
  readonly server: string
  /** The host of the authorization server. */
  readonly service: string
  /** One sentence for the user, without the URL. */
  readonly message: string
}

/**
 * `pending`: the page is still open. `expired`: it is over, or was another user's. After `declined` and `expired` there
 * is a new link at the next attempt.
 */
export type LinkOutcome = 'connected' | 'declined' | 'expired' | 'pending'

export interface LinkOptions {
  /** Where the page leads afterwards: a URL of the origin of `baseUrl`. Defaults to the list of connections. */
  readonly returnTo?: string | undefined
  /** The title of the server. Defaults to its name. */
  readonly title?: string | undefined
  /** The name of the agent that asks. Defaults to none. */
  readonly agent?: string | undefined
}

export interface ConnectionBroker {
  /** `none`: also for a connection that the service has ended. */
  statusOf(subject: ConnectionSubject): Promise<'connected' | 'none'>
  /**
   * The page to connect; the same one as long as it is open. Rejects with `upstream_unauthorized` for a server that
   * cannot be connected, such as one without metadata.
   */
  linkFor(subject: ConnectionSubject, options?: LinkOptions): Promise<ConnectionLink>
  /** Resolves when the user has answered, and with `pending` after `timeoutMs` or once the signal aborts. */
  waitFor(
    link: string,
    options: { readonly user: string; readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
  ): Promise<LinkOutcome>
  /** Revokes the tokens at the service, if that is possible, and forgets them. */
  disconnect(subject: ConnectionSubject): Promise<void>
}

/** The user has to connect an account first. Its `data` has the links as `elicitations`. */
export class ConnectionRequired extends GatewayError {
  readonly link: ConnectionLink
  readonly broker: ConnectionBroker

  constructor(link: ConnectionLink, broker: ConnectionBroker) {
    const { id, url, message } = link
    // The message has the URL as well: most clients show nothing else.
    super('connection_required', `${message} ${url}`, {
      data: { elicitations: [{ mode: 'url', elicitationId: id, url, message }] },
    })
    this.link = link
    this.broker = broker
  }
}

const brokers = new WeakMap<object, ConnectionBroker>()

export function exposeBroker(headers: object, broker: ConnectionBroker): void {
  brokers.set(headers, broker)
}

/** The broker behind the `headers` of a server's config; `undefined` where `userConnections()` did not make them. */
export function brokerOf(headers: unknown): ConnectionBroker | undefined {
  return typeof headers === 'function' ? brokers.get(headers) : undefined
}
