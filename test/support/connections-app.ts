// An Express app with users of its own, userConnections() and a gateway; and a server that takes tokens of its authorization server alone.
import type { RequestListener } from 'node:http'
import express from 'express'
import session from 'express-session'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { type UserConnections, userConnections, type UserConnectionsOptions } from '../../lib/connections/index.ts'
import { type Gateway, type GatewayOptions, GatewayError, mcpGateway } from '../../lib/index.ts'
import { MemoryLoginStore } from '../../lib/stores/memory-login-store.ts'
import type { RunningAuthorizationServer } from './authorization-server.ts'
import { createJournal, type Journal } from './journal.ts'
import { listen } from './listen.ts'
import { LoginBrowser, type Page, refreshOf } from './login-browser.ts'
import { modernRequest, postModern } from './modern.ts'
import type { Answer } from './rpc.ts'

declare module 'express-session' {
  interface SessionData {
    user?: string
  }
}

export interface ConnectionsApp {
  readonly origin: string
  readonly connections: UserConnections
  readonly gateway: Gateway
  readonly listener: RequestListener
  /** What went to `onError` of either. */
  readonly reported: Error[]
  /** Calls a tool of a server as this user. */
  call(user: string, tool?: string, server?: string): Promise<Answer>
  close(): Promise<void>
}

export interface ConnectionsAppOptions {
  readonly servers: (connections: UserConnections) => GatewayOptions['servers']
  readonly connections?: Partial<UserConnectionsOptions> | undefined
  readonly gateway?: Partial<GatewayOptions>
  /** Where browsers see the app, if not where it is. */
  readonly front?: string
  /** The sessions of the app itself, which nodes share. */
  readonly sessions?: session.Store
}

export const SECRET = 'a secret of the tests that is long enough'

const LOGIN_PAGE = '<!doctype html><form method="post"><input name="user"><button>Log in</button></form>'

export async function startConnectionsApp(options: ConnectionsAppOptions): Promise<ConnectionsApp> {
  let listener: RequestListener = () => {}
  const listening = await listen((request, response) => listener(request, response))
  const origin = options.front ?? listening.origin
  const reported: Error[] = []
  const onError = (error: Error): void => void reported.push(error)
  const connections = userConnections({
    baseUrl: `${origin}/connections`,
    user: ({ session: { user } }: express.Request) => (user === undefined ? undefined : { id: user }),
    loginUrl: '/login',
    secrets: [SECRET],
    store: new MemoryLoginStore(),
    onError,
    ...options.connections,
  })
  const gateway = mcpGateway({
    servers: options.servers(connections),
    authenticate: ({ headers }) => {
      const id = String(headers['x-user'] ?? '')
      return id === '' ? undefined : { id, client: { name: 'An agent of the tests' } }
    },
    onError,
    ...options.gateway,
  })
  const app = express()
  const { sessions } = options
  app.use(session({ secret: SECRET, resave: false, saveUninitialized: false, ...(sessions && { store: sessions }) }))
  app.get('/login', (_request, response) => void response.send(LOGIN_PAGE))
  app.post('/login', express.urlencoded(), (request, response) => {
    request.session.user = request.body.user
    response.redirect(303, new URL(request.originalUrl, origin).searchParams.get('return_to') ?? '/')
  })
  app.use('/connections', connections.pages)
  app.use('/mcp-servers', gateway)
  listener = app
  return {
    origin,
    connections,
    gateway,
    listener,
    reported,
    call: (user, tool = 'whoami', server = 'crm') =>
      postModern(`${listening.origin}/mcp-servers/${server}/mcp`, modernRequest('tools/call', { name: tool }), {
        'x-user': user,
      }),
    async close() {
      await gateway.close({ graceMs: 0 })
      await connections.close()
      await listening.close()
    },
  }
}

/** The link in the answer to a call. */
export function linkIn(answer: Answer): string {
  const error = answer.message?.['error'] as { data?: { elicitations?: { url?: string }[] } } | undefined
  const url = error?.data?.elicitations?.[0]?.url
  if (url === undefined) throw new Error(`no link: ${answer.status} ${answer.body}`)
  return url
}

/** Whose account a call was made with. */
export function accountIn(answer: Answer): unknown {
  return (answer.message?.['result'] as { account?: unknown } | undefined)?.account
}

export interface Visit {
  readonly browser: LoginBrowser
  /** The page behind the link. */
  readonly page: Page
}

/** Opens a link in a new browser, as a user of the app. */
export async function visit(link: string, user: string): Promise<Visit> {
  const browser = new LoginBrowser(new URL(link).origin)
  return { browser, page: await browser.begin(link, user) }
}

/** Goes on to the service, as far as its authorization request. */
export async function leave({ browser, page }: Visit): Promise<URL> {
  return refreshOf(await browser.press(page, { decision: 'connect' }))
}

/** Connects an account from the link to the last page. */
export async function connect(
  link: string,
  user: string,
  account: string,
  issuer: Pick<RunningAuthorizationServer, 'authorize'>,
): Promise<Page> {
  const visited = await visit(link, user)
  const callback = await issuer.authorize(await leave(visited), account)
  return visited.browser.open(callback)
}

export interface ProtectedUpstream {
  readonly url: string
  readonly origin: string
  /** The tokens of all requests, let in or not; empty where there was none. */
  readonly tokens: Journal<string>
  /** What it says of itself (RFC 9728); `undefined`: nothing. */
  metadata: Record<string, unknown> | undefined
  /** Headers of its 401s; the metadata's URL by default. */
  challenge: string | undefined
  /** From now on all tokens of before are refused. */
  refuseAll(): void
  close(): Promise<void>
}

/** Speaks revision 2026-07-28, as far as these tests do. The tool `write` needs the scope `mcp:write`. */
export async function startProtectedUpstream(
  { issuer, jwksUri }: Pick<RunningAuthorizationServer, 'issuer' | 'jwksUri'>,
  audience?: string,
): Promise<ProtectedUpstream> {
  const tokens = createJournal<string>()
  let refused: string[] = []
  const keys = createRemoteJWKSet(new URL(jwksUri))
  const app = express()
  const { origin, close } = await listen(app)
  const url = `${origin}/mcp`
  const place = '/.well-known/oauth-protected-resource/mcp'
  const upstream: ProtectedUpstream = {
    url,
    origin,
    tokens,
    metadata: { resource: url, authorization_servers: [issuer], scopes_supported: ['mcp:read'] },
    challenge: `Bearer resource_metadata="${origin}${place}"`,
    refuseAll: () => void (refused = [...tokens.entries]),
    close,
  }
  app.get(place, (_request, response) => {
    if (upstream.metadata) response.json(upstream.metadata)
    else response.status(404).end()
  })
  app.post('/mcp', express.json(), async (request, response) => {
    const token = request.headers.authorization?.slice('Bearer '.length) ?? ''
    tokens.record(token)
    const claims = await jwtVerify(token, keys, { issuer, audience: audience ?? url }).then(
      ({ payload }) => payload,
      () => undefined,
    )
    if (!claims || refused.includes(token)) {
      if (upstream.challenge !== undefined) response.setHeader('www-authenticate', upstream.challenge)
      return void response.status(401).end()
    }
    const { id, params } = request.body
    if (params?.name === 'write' && !String(claims['scope']).split(' ').includes('mcp:write')) {
      response.setHeader('www-authenticate', 'Bearer error="insufficient_scope", scope="mcp:write"')
      return void response.status(403).end()
    }
    response.json({ jsonrpc: '2.0', id, result: { resultType: 'complete', content: [], account: claims.sub } })
  })
  return upstream
}

/** What an error was caused by, down to the innermost reason. */
export function reasonsOf(errors: readonly Error[]): string[] {
  return errors.map((error) =>
    error instanceof GatewayError && error.cause instanceof Error ? error.cause.message : String(error),
  )
}
