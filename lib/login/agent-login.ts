/** agentLogin(): logs agents in with the app's own login. An authorization server for the servers of a gateway. */
import type { ServerResponse } from 'node:http'
import { GatewayError } from '../errors.ts'
import type { BearerAuthenticate, GatewayRequest } from '../types.ts'
import { checkOptions } from '../util/anchors.ts'
import { guardedFetch } from '../util/guarded-fetch.ts'
import type { AgentLoginOptions, AgentUser } from './agent-login-options.ts'
import { AgentsEndpoint } from './agents-endpoint.ts'
import { agentAuthenticate, type AgentPrincipal } from './authenticate.ts'
import { PageFault } from '../pages/browser.ts'
import { answerAt, type Endpoint, type EndpointFaults } from '../pages/endpoint.ts'
import { ClientDocuments } from './client-documents.ts'
import { ClientEndpoints } from './client-endpoints.ts'
import { Clients } from './clients.ts'
import { ConsentEndpoints } from './consent-endpoints.ts'
import { Engine, EngineUnavailable } from './engine.ts'
import { connectedAgent, Grants } from './grants.ts'
import { Hosts } from './hosts.ts'
import { LiveGrants } from './live-grants.ts'
import { metadataPaths } from './metadata.ts'
import { type LoginConfig, parseLoginOptions } from './options.ts'
import { PATHS } from './paths.ts'
import { Registration } from './registration.ts'
import { BadForm, splitUrl } from '../pages/forms.ts'
import { Secrets } from './secrets.ts'
import { TimelyLoginStore } from '../stores/timely-login-store.ts'
import type { ConnectedAgent } from './types.ts'

/**
 * The middleware, for the root of the app: it answers its own paths, `/oauth/*` and the well-known ones, and passes on
 * the rest.
 */
export interface AgentLogin<A extends object = object> {
  (request: GatewayRequest, response: ServerResponse, next?: (error?: unknown) => void): void
  /**
   * The hook for `mcpGateway()`. It takes the login's own access tokens and no others, and none of an agent that was
   * disconnected. The principal has what the option `principal` adds. The gateway needs a `publicUrl`.
   */
  readonly authenticate: BearerAuthenticate<AgentPrincipal & A>
  /** The agents of a user, as the page at `/oauth/agents` shows them, for a page of your own. */
  list(user: string): Promise<readonly ConnectedAgent[]>
  /**
   * Disconnects agents of a user: one grant, all grants of a client, or all. Their tokens, sessions and streams end at
   * every node at once; within 5 seconds where the store does not tell other nodes.
   */
  disconnect(
    user: string,
    which?: { readonly client?: string | undefined; readonly grant?: string | undefined },
  ): Promise<void>
  /** Ends timers and subscriptions, and closes the store. */
  close(): Promise<void>
}

/**
 * Creates an authorization server (OAuth 2.1) that asks the app itself who is logged in, and the hook that takes its
 * tokens. Requires Node.js 22 and the package `oidc-provider`.
 *
 * @example
 * ```js
 * const login = agentLogin({ issuer: 'https://app.example.com', user: ({ user }) => user, loginUrl: '/login', keys, secrets })
 * const gateway = mcpGateway({ servers, publicUrl: 'https://app.example.com/mcp-servers', authenticate: login.authenticate })
 * app.use(login)
 * app.use('/mcp-servers', gateway)
 * ```
 *
 * @throws {TypeError} for an option that is unknown or cannot work; the message names the option and the cure.
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/authorization
 */
export function agentLogin<U extends AgentUser = AgentUser, A extends object = object>(
  options: AgentLoginOptions<U, A>,
): AgentLogin<A> {
  const config = checkOptions(agentLogin, () => parseLoginOptions(options as AgentLoginOptions))
  const { clients, ttl, isOnThisMachine: allowLoopback } = config
  const store = new TimelyLoginStore(config.store, 'agentLogin')
  const secrets = new Secrets(config.secrets)
  const hosts = new Hosts(config)
  const announce = async (id: string): Promise<void> => {
    live.ended(id)
    // It has ended in the store: a node that does not hear of it will find out.
    await store.publish?.(id).catch((error: unknown) => config.report(error, undefined))
  }
  const grants = new Grants(store, ttl, announce)
  const live = new LiveGrants({
    store,
    find: (id) => grants.find(id),
    onEnded: (isEnded) => hosts.end((principal) => isEnded(String((principal as Partial<AgentPrincipal>).grant))),
    report: (error) => config.report(error, undefined),
    accessS: ttl.accessS,
  })
  const fetch = guardedFetch({ allowLoopback })
  const registration = config.registration && new Registration({ store, ...config.registration })
  const documents = new ClientDocuments({ store, fetch, allowLoopback })
  const found = new Clients(clients, registration ? [documents, registration] : [documents])
  const engine = new Engine({ config, store, grants, clients: found, secrets, hosts, fetch })
  const renew = async (id: string): Promise<void> => {
    await documents.renew(id)
    await registration?.renew(id, ttl.grantS)
  }
  const parts = { config, engine, grants, hosts, secrets, registration, renew }
  const endpoints = endpointsOf(parts)

  function login(request: GatewayRequest, response: ServerResponse, next?: (error?: unknown) => void): void {
    const [path] = splitUrl(request)
    const endpoint = endpoints.get(path)
    if (!endpoint) {
      if (next) return next()
      return void response.writeHead(404, { 'content-length': 0 }).end()
    }
    void answerAt(endpoint, request, response, faultsOf(request, config))
  }

  return Object.assign(login, {
    authenticate: agentAuthenticate(config, hosts, live) as BearerAuthenticate<AgentPrincipal & A>,
    list: async (user: string) => (await grants.list(user)).map(([id, record]) => connectedAgent(id, record)),
    disconnect: (user: string, which: Parameters<AgentLogin['disconnect']>[1] = {}) => grants.endAll(user, which),
    close: async () => {
      await live.close()
      await store.close()
    },
  })
}

/** The endpoints by path: whatever else oidc-provider has stays out of reach. */
function endpointsOf(parts: ConstructorParameters<typeof ConsentEndpoints>[0]): ReadonlyMap<string, Endpoint> {
  const { config, registration } = parts
  const { path } = config
  const consent = new ConsentEndpoints(parts)
  const agents = new AgentsEndpoint(parts)
  const clients = new ClientEndpoints(parts)
  const permit = (methods: string) => (_request: GatewayRequest, response: ServerResponse) =>
    clients.permit(response, methods)
  const document = (send: (response: ServerResponse) => void): Endpoint => ({
    GET: (_request, response) => send(response),
    HEAD: (_request, response) => send(response),
    OPTIONS: permit('GET, HEAD'),
  })
  const metadata = document((response) => clients.metadata(response))
  const post = (where: typeof PATHS.token | typeof PATHS.revoke): Endpoint => ({
    POST: (request, response) => clients.post(where, request, response),
    OPTIONS: permit('POST'),
  })
  const register: Endpoint | undefined = registration && {
    POST: (request, response) => registration.answer(request, response),
    OPTIONS: (request, response) => registration.answer(request, response),
  }
  return new Map<string, Endpoint>([
    ...[...metadataPaths(path)].map((each) => [each, metadata] as const),
    [path + PATHS.authorize, { GET: (request, response) => consent.ask(request, response) }],
    [
      path + PATHS.consent,
      {
        GET: (request, response) => consent.resume(request, response),
        POST: (request, response) => consent.answer(request, response),
      },
    ],
    [
      path + PATHS.agents,
      {
        GET: (request, response) => agents.list(request, response),
        POST: (request, response) => agents.disconnect(request, response),
      },
    ],
    [path + PATHS.token, post(PATHS.token)],
    [path + PATHS.revoke, post(PATHS.revoke)],
    [path + PATHS.jwks, document((response) => clients.keys(response))],
    ...(register ? [[path + PATHS.register, register] as const] : []),
  ])
}

function faultsOf(request: GatewayRequest, config: LoginConfig): EndpointFaults {
  return {
    title: config.title,
    viewOf: (error) => faultViewOf(error, request, config),
    report: (error) => config.report(error, request),
  }
}

function faultViewOf(error: unknown, request: GatewayRequest, config: LoginConfig): PageFault['view'] {
  if (error instanceof PageFault) return error.view
  if (error instanceof BadForm) return { status: 400, heading: 'This form cannot be read', words: `${error.message}.` }
  // What the engine failed with has been reported.
  if (error instanceof EngineUnavailable) return UNAVAILABLE
  config.report(error, request)
  return error instanceof GatewayError ? UNAVAILABLE : { ...UNAVAILABLE, status: 500 }
}

const UNAVAILABLE = {
  status: 503,
  heading: 'This does not work right now',
  words: 'Nothing was connected. Try again in a while.',
}
