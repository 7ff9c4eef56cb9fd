// An Express app with users, a login and sessions of its own, with agentLogin() and a gateway in it; and browsers for it.
import { generateKeyPairSync } from 'node:crypto'
import type { RequestListener } from 'node:http'
import express from 'express'
import session from 'express-session'
import { serverDirectory, type ServerDirectoryOptions } from '../../lib/directory/index.ts'
import { type Gateway, type GatewayOptions, mcpGateway } from '../../lib/index.ts'
import type { AgentLogin, AgentLoginOptions } from '../../lib/login/index.ts'
import type { JWK } from 'jose'
import { listen } from './listen.ts'
import { agentLogin } from './login.ts'

declare module 'express-session' {
  interface SessionData {
    user?: string
  }
}

export interface LoginApp {
  readonly origin: string
  readonly login: AgentLogin
  readonly gateway: Gateway
  readonly listener: RequestListener
  /** What went to `onError` of the login. */
  readonly reported: Error[]
  url(server: string): string
  close(): Promise<void>
}

export interface LoginAppOptions {
  readonly servers: GatewayOptions['servers']
  readonly login?: Partial<AgentLoginOptions>
  readonly gateway?: Partial<GatewayOptions>
  readonly directory?: Partial<ServerDirectoryOptions>
  /** Where browsers see the app, if not where it is. */
  readonly issuer?: string
  /** The sessions of the app itself, which nodes share. */
  readonly sessions?: session.Store
}

/** It is posted to the URL it is at, with its query. */
const LOGIN_PAGE = `<!doctype html><html lang="en"><title>Log in</title>
  <form method="post"><label>Who are you? <input name="user"></label> <button>Log in</button></form>`

export const SECRET = 'a secret of the tests that is long enough'

export function newSigningKey(): JWK {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })
}

export const SIGNING_KEY = newSigningKey()

export async function startLoginApp(options: LoginAppOptions): Promise<LoginApp> {
  const { servers, login: given, gateway: more, issuer, sessions } = options
  let listener: RequestListener = () => {}
  const listening = await listen((request, response) => listener(request, response))
  const origin = issuer ?? listening.origin
  const reported: Error[] = []
  const login = agentLogin({
    issuer: origin,
    user: (request: express.Request) => {
      const { user } = request.session
      return user === undefined ? undefined : { id: user, name: `${user} of the tests` }
    },
    loginUrl: '/login',
    keys: [SIGNING_KEY],
    secrets: [SECRET],
    onError: (error) => void reported.push(error),
    ...given,
  })
  const gateway = mcpGateway({
    servers,
    publicUrl: `${origin}/mcp-servers`,
    authenticate: login.authenticate,
    onError: (error) => void reported.push(error),
    ...more,
  })
  const list = typeof servers === 'function' ? () => ({}) : undefined
  const directory = serverDirectory({ gateway, loginUrl: '/login', list, ...options.directory })
  const app = express()
  app.use(session({ secret: SECRET, resave: false, saveUninitialized: false, ...(sessions && { store: sessions }) }))
  app.get('/login', (_request, response) => void response.send(LOGIN_PAGE))
  app.post('/login', express.urlencoded(), (request, response) => {
    request.session.user = request.body.user
    const to = new URL(request.originalUrl, origin).searchParams.get('return_to') ?? ''
    response.redirect(303, /^\/(?:oauth|mcp-servers)\b/.test(to) ? to : '/')
  })
  app.use(login)
  app.use('/mcp-servers', gateway, directory)
  app.use(gateway.wellKnown)
  listener = app
  return {
    origin,
    login,
    gateway,
    listener,
    reported,
    url: (server) => `${origin}/mcp-servers/${server}/mcp`,
    async close() {
      await gateway.close({ graceMs: 0 })
      await login.close()
      await listening.close()
    },
  }
}

export { formOf, LoginBrowser, type Page, refreshOf } from './login-browser.ts'
