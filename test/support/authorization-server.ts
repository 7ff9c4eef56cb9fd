// A real OpenID provider on loopback, which tests can stop, start again and give new keys: https://github.com/panva/node-oidc-provider.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { importJWK, type JWK, type JWTHeaderParameters, SignJWT } from 'jose'
import { createJournal, type Journal } from './journal.ts'
import { createProvider, type Handle, type Storage } from './oidc-provider.ts'

export interface RunningAuthorizationServer {
  readonly issuer: string
  readonly tokenEndpoint: string
  readonly jwksUri: string
  /** The clients it knows from the start; others register themselves. */
  readonly client: { readonly id: string; readonly secret: string }
  /** Method and path of every request. */
  readonly requests: Journal<string>
  /** The key that signs now, private part included. */
  signingKey(): JWK
  /** A token for the client itself, by the client credentials grant. */
  clientToken(request: TokenRequest): Promise<string>
  /** A token for this user, by token exchange. */
  userToken(user: string, request: TokenRequest): Promise<string>
  /** Ends a token. (RFC 7009) */
  revoke(token: string): Promise<void>
  /** What a browser would: logs this account in, consents to everything, and gives the URL it was sent back to. */
  authorize(url: string | URL, account: string): Promise<URL>
  /** Ends whatever users have granted: refresh tokens are invalid, access tokens go on until they expire. */
  endGrants(): void
  /** Lets the next request of this method and path wait, until the function is called. */
  hold(line: string): () => void
  /** Registers a client (RFC 7591). */
  register(metadata: Record<string, unknown>): Promise<{ readonly id: string; readonly secret: string }>
  /** Asks the token endpoint for anything. */
  token(parameters: Record<string, string>, client?: { id: string; secret: string }): Promise<Record<string, unknown>>
  /** Signs any claims with its current key: what it would never issue. Time claims, issuer and subject are filled in. */
  sign(claims: Record<string, unknown>, header?: Partial<JWTHeaderParameters>): Promise<string>
  /** Signs with a new key from now on; `keep` leaves the old one in the published set. */
  rotate(options?: { keep?: boolean }): void
  /** From now on nobody listens. */
  stop(): Promise<void>
  /** Listens again, on the same port. */
  start(): Promise<void>
  close(): Promise<void>
}

export interface TokenRequest {
  readonly resource: string
  readonly scope?: string
}

export interface AuthorizationServerOptions {
  /** A path of the issuer, `/tenant` say; none by default. */
  readonly path?: string
  /** The scopes of every resource. Default `mcp:read mcp:write mcp:admin`. */
  readonly scopes?: string
  /** How long access tokens live, in seconds. Default 600. */
  readonly ttlS?: number
  /** Whether access tokens can be read by the issuer alone, which then introspects them. Default `false`. */
  readonly opaque?: boolean
  /** Whether clients may be known by a metadata document, at any URL. Default `false`. */
  readonly documents?: boolean
}

export async function startAuthorizationServer({
  path = '',
  scopes = 'mcp:read mcp:write mcp:admin',
  ttlS = 600,
  opaque = false,
  documents = false,
}: AuthorizationServerOptions = {}): Promise<RunningAuthorizationServer> {
  const requests = createJournal<string>()
  const client = { id: 'machine', secret: randomUUID() }
  const accounts = new Map<string, string>()
  const storage: Storage = new Map()
  let keys = [newKey()]
  let handle: Handle

  const held = new Map<string, Promise<void>>()

  const server = createServer(async (request, response) => {
    const line = `${request.method} ${request.url}`
    requests.record(line)
    const released = held.get(line)
    held.delete(line)
    await released
    // A connection kept open would be found broken after stop(), by whoever comes first.
    response.setHeader('connection', 'close')
    handle(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)))
  })
  const port = await listening(server, 0)
  const origin = `http://127.0.0.1:${port}`
  const issuer = `${origin}${path}`
  const renew = (): void => {
    handle = createProvider({ issuer, path, keys, client, scopes, ttlS, opaque, documents, accounts, storage })
  }
  renew()

  async function sign(claims: Record<string, unknown>, header: Partial<JWTHeaderParameters> = {}): Promise<string> {
    const nowS = Math.floor(Date.now() / 1000)
    const key = keys[0]!
    const payload = { iss: issuer, sub: 'ada', iat: nowS, exp: nowS + ttlS, client_id: client.id, ...claims }
    const protectedHeader = { alg: 'ES256', typ: 'at+jwt', kid: key.kid!, ...header }
    return new SignJWT(payload).setProtectedHeader(protectedHeader).sign(await importJWK(key, protectedHeader.alg))
  }

  async function token(parameters: Record<string, string>, credentials = client): Promise<Record<string, unknown>> {
    const response = await fetch(`${issuer}/token`, {
      method: 'POST',
      headers: { authorization: basic(credentials) },
      body: new URLSearchParams(parameters),
    })
    const body = (await response.json()) as Record<string, unknown>
    if (!response.ok) throw new Error(`token endpoint: ${response.status} ${JSON.stringify(body)}`)
    return body
  }

  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })

  return {
    issuer,
    tokenEndpoint: `${issuer}/token`,
    jwksUri: `${issuer}/jwks`,
    client,
    requests,
    signingKey: () => keys[0]!,
    async clientToken({ resource, scope = '' }) {
      const { access_token } = await token({ grant_type: 'client_credentials', resource, scope })
      return String(access_token)
    },
    async userToken(user, { resource, scope = '' }) {
      const { access_token } = await token({
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: await sign({ sub: user }),
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        resource,
        scope,
      })
      return String(access_token)
    },
    async revoke(revoked) {
      const response = await fetch(`${issuer}/token/revocation`, {
        method: 'POST',
        headers: { authorization: basic(client) },
        body: new URLSearchParams({ token: revoked }),
      })
      if (!response.ok) throw new Error(`revocation endpoint: ${response.status}`)
    },
    authorize: (url, account) => browse(new URL(url), account, { issuer, accounts }),
    endGrants() {
      for (const key of storage.keys()) if (/^(?:Grant|RefreshToken|AccessToken):/.test(key)) storage.delete(key)
    },
    hold(line) {
      let release = (): void => {}
      const released = new Promise<void>((resolve) => {
        release = resolve
      })
      held.set(line, released)
      return release
    },
    async register(metadata) {
      const response = await fetch(`${issuer}/reg`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(metadata),
      })
      const { client_id: id, client_secret: secret } = (await response.json()) as Record<string, string>
      if (!response.ok) throw new Error(`registration endpoint: ${response.status}`)
      return { id: id!, secret: secret! }
    },
    token,
    sign,
    rotate({ keep = true } = {}) {
      keys = [newKey(), ...(keep ? keys : [])]
      renew()
    },
    stop,
    start: async () => void (await listening(server, port)),
    close: stop,
  }
}

function basic({ id, secret }: { id: string; secret: string }): string {
  return `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
}

function newKey(): JWK {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { ...(privateKey.export({ format: 'jwk' }) as JWK), kid: randomUUID(), alg: 'ES256', use: 'sig' }
}

async function listening(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return (server.address() as AddressInfo).port
}

/** Follows redirects with cookies until one leads elsewhere. */
async function browse(
  start: URL,
  account: string,
  { issuer, accounts }: { issuer: string; accounts: Map<string, string> },
): Promise<URL> {
  const browser = randomUUID()
  accounts.set(browser, account)
  const cookies = new Map<string, string>([['browser', browser]])
  let url = start
  for (let hops = 0; url.href.startsWith(issuer); hops += 1) {
    const cookie = [...cookies].map((pair) => pair.join('=')).join('; ')
    const response = await fetch(url, { redirect: 'manual', headers: { cookie } })
    const location = response.headers.get('location')
    if (location === null || hops === 10) throw new Error(`authorize: ${response.status} ${await response.text()}`)
    for (const set of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? []
      if (value === '') cookies.delete(name)
      else cookies.set(name, value)
    }
    url = new URL(location, url)
  }
  accounts.delete(browser)
  return url
}
