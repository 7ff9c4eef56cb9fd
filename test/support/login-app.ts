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

/** A page that a browser shows. */
export interface Page {
  readonly url: URL
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** A browser with one cookie jar. It follows redirects on its origin, and stops at all others. */
export class LoginBrowser {
  readonly #cookies = new Map<string, string>()
  readonly #origin: string
  /** Sent with every request. */
  headers: Record<string, string> = {}

  constructor(origin: string) {
    this.#origin = origin
  }

  get cookies(): ReadonlyMap<string, string> {
    return this.#cookies
  }

  async open(url: URL | string, init: RequestInit = {}): Promise<Page> {
    let at = new URL(url, this.#origin)
    for (let hop = 0; hop < 10; hop += 1) {
      const cookie = [...this.#cookies].map((pair) => pair.join('=')).join('; ')
      const response: Response = await fetch(at, {
        ...(hop === 0 ? init : {}),
        redirect: 'manual',
        headers: { ...(hop === 0 ? (init.headers as Record<string, string>) : {}), ...this.headers, cookie },
      })
      for (const set of response.headers.getSetCookie()) {
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(set)!
        this.#cookies.set(name!, value!)
      }
      const location = response.headers.get('location')
      const next = location === null ? undefined : new URL(location, at)
      if (!next || next.origin !== this.#origin) {
        return { url: next ?? at, status: response.status, headers: response.headers, text: await response.text() }
      }
      await response.body?.cancel()
      at = next
    }
    throw new Error('too many redirects')
  }

  async logIn(user: string, returnTo = ''): Promise<Page> {
    const query = returnTo === '' ? '' : `?return_to=${encodeURIComponent(returnTo)}`
    return this.open(`/login${query}`, form({ user }))
  }

  /** Opens an authorization URL, logs in where the app asks, and shows what comes then. */
  async begin(url: URL | string, user: string): Promise<Page> {
    const page = await this.open(url)
    const returnTo = page.url.pathname === '/login' ? page.url.searchParams.get('return_to') : null
    return returnTo === null ? page : this.logIn(user, returnTo)
  }

  /** Presses a button of the form of a page. */
  async press(page: Page, button: Readonly<Record<string, string>>): Promise<Page> {
    const { action, fields } = formOf(page)
    return this.open(new URL(action, page.url), form({ ...fields, ...button }))
  }

  /** Lets the agent in: the URL that the browser goes on to. */
  async allow(url: URL | string, user: string): Promise<URL> {
    return this.answer(url, user, 'allow')
  }

  async answer(url: URL | string, user: string, decision: 'allow' | 'deny'): Promise<URL> {
    const page = await this.begin(url, user)
    if (page.status !== 200) throw new Error(`${page.status}: ${page.text}`)
    return refreshOf(await this.press(page, { decision }))
  }
}

/** Where a page sends the browser by itself. */
export function refreshOf({ headers, status, text }: Page): URL {
  const refresh = /^\d+;\s*url=(.*)$/i.exec(headers.get('refresh') ?? '')?.[1]
  if (refresh === undefined) throw new Error(`no way back, ${status}: ${text}`)
  return new URL(refresh)
}

function form(fields: Readonly<Record<string, string>>): RequestInit {
  return {
    method: 'POST',
    body: new URLSearchParams(fields).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  }
}

/** The first form of a page that is posted. */
export function formOf({ text }: Page): { readonly action: string; readonly fields: Record<string, string> } {
  const whole = /<form\b[^>]*>[\s\S]*?<\/form>/i.exec(text)?.[0]
  if (whole === undefined) throw new Error(`no form in: ${text}`)
  const inputs = Array.from(whole.matchAll(/<input\b[^>]*>/gi), ([tag]) => tag).filter((tag) => /hidden/i.test(tag))
  return {
    action: attribute(whole, 'action') ?? '',
    fields: Object.fromEntries(inputs.map((tag) => [attribute(tag, 'name')!, attribute(tag, 'value') ?? ''])),
  }
}

function attribute(tag: string, name: string): string | undefined {
  const found = new RegExp(`\\b${name}=(?:"([^"]*)"|'([^']*)'|([^\\s>]+))`, 'i').exec(tag)
  return (found?.[1] ?? found?.[2] ?? found?.[3])?.replaceAll(/&#x2f;|&#47;/gi, '/').replaceAll('&amp;', '&')
}
