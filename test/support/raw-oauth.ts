// An OAuth client by hand: every parameter can be left out, changed or repeated.
import { createHash, randomBytes } from 'node:crypto'
import type { LoginApp, LoginBrowser } from './login-app.ts'

export const REDIRECT = 'https://agent.example/callback'

export interface Grant {
  readonly access_token: string
  readonly refresh_token: string
  readonly expires_in: number
  readonly scope: string
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown>
}

type Fields = Readonly<Record<string, string | readonly string[] | undefined>>

/** A client that the app knows beforehand. */
export const KNOWN = {
  id: 'known-agent',
  name: 'The known agent',
  redirectUris: [REDIRECT, 'http://127.0.0.1/back', 'cursor://back'],
}
export const OTHER = { id: 'other-agent', name: 'Another agent', redirectUris: [REDIRECT] }

export class RawClient {
  readonly verifier: string = randomBytes(32).toString('base64url')
  readonly app: LoginApp
  readonly id: string

  constructor(app: LoginApp, id: string = KNOWN.id) {
    this.app = app
    this.id = id
  }

  get challenge(): string {
    return createHash('sha256').update(this.verifier).digest('base64url')
  }

  /** The URL of an authorization request. A field that is `undefined` is left out. */
  authorizeUrl(fields: Fields = {}): string {
    const all = {
      client_id: this.id,
      redirect_uri: REDIRECT,
      response_type: 'code',
      state: 'the state',
      resource: this.app.url('notes'),
      code_challenge: this.challenge,
      code_challenge_method: 'S256',
      ...fields,
    }
    return `/oauth/authorize?${encode(all)}`
  }

  /** Logs a user in, who allows it: the URL with the code. */
  async authorize(browser: LoginBrowser, user: string, fields: Fields = {}): Promise<URL> {
    return browser.allow(this.authorizeUrl(fields), user)
  }

  exchange(code: string, fields: Fields = {}): Promise<Answer> {
    return this.token({
      grant_type: 'authorization_code',
      client_id: this.id,
      code,
      redirect_uri: REDIRECT,
      code_verifier: this.verifier,
      ...fields,
    })
  }

  refresh(token: string, fields: Fields = {}): Promise<Answer> {
    return this.token({ grant_type: 'refresh_token', client_id: this.id, refresh_token: token, ...fields })
  }

  token(fields: Fields, app: LoginApp = this.app): Promise<Answer> {
    return post(`${app.origin}/oauth/token`, encode(fields))
  }

  revoke(token: string): Promise<Answer> {
    return post(`${this.app.origin}/oauth/revoke`, encode({ client_id: this.id, token }))
  }

  /** From the first request to tokens. */
  async logIn(browser: LoginBrowser, user: string, fields: Fields = {}): Promise<Grant> {
    const url = await this.authorize(browser, user, fields)
    const { status, body } = await this.exchange(url.searchParams.get('code') ?? '', {
      redirect_uri: fields['redirect_uri'] ?? REDIRECT,
    })
    if (status !== 200) throw new Error(`${status}: ${JSON.stringify(body)}`)
    return body as unknown as Grant
  }
}

/** The status of a call at a server with a token. */
export async function callStatus(app: LoginApp, token: string, server = 'notes'): Promise<number> {
  const response = await fetch(app.url(server), {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'initialize',
      params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
    }),
  })
  await response.text()
  return response.status
}

function encode(fields: Fields): string {
  const pairs = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((each): [string, string] => [name, each]),
  )
  return new URLSearchParams(pairs).toString()
}

async function post(url: string, body: string): Promise<Answer> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const response = await fetch(url, { method: 'POST', headers, body })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text) }
}
