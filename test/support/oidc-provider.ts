// oidc-provider set up for the tests: JWT access tokens for any resource, registration, token exchange, consent without a page.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createLocalJWKSet, type JWK, jwtVerify } from 'jose'
import type { Provider as OidcProvider, TokenContext } from 'oidc-provider'

const { errors, Provider } = await quietly(() => import('oidc-provider'))

/** On import it warns of every Node.js but the newest. */
async function quietly<Result>(load: () => Promise<Result>): Promise<Result> {
  const { warn } = console
  console.warn = () => {}
  try {
    return await load()
  } finally {
    console.warn = warn
  }
}

export interface ProviderOptions {
  readonly issuer: string
  /** The issuer's path, or nothing. */
  readonly path: string
  /** The first one signs. */
  readonly keys: readonly JWK[]
  readonly client: { readonly id: string; readonly secret: string }
  readonly scopes: string
  readonly ttlS: number
  /** Whether access tokens can be read by the issuer alone, which then introspects them. */
  readonly opaque: boolean
  /** Whether clients may be known by a metadata document. */
  readonly documents: boolean
  /** Which account a browser, by its cookie, logs in as. */
  readonly accounts: ReadonlyMap<string, string>
  readonly storage: Storage
}

export type Handle = (request: IncomingMessage, response: ServerResponse) => Promise<void>

export function createProvider(options: ProviderOptions): Handle {
  const { path } = options
  const provider = new Provider(options.issuer, configurationOf(options))
  provider.registerGrantType(TOKEN_EXCHANGE, (context) => exchangeToken(context, provider, options), [
    'subject_token',
    'subject_token_type',
    'requested_token_type',
    'resource',
    'audience',
    'scope',
  ])
  const answer = provider.callback()

  return async (request, response) => {
    // RFC 8414 puts the issuer's path behind the well-known one.
    const inserted = `/.well-known/oauth-authorization-server${path}`
    const url = request.url === inserted ? `${path}/.well-known/oauth-authorization-server` : (request.url ?? '')
    if (!url.startsWith(`${path}/`)) return void response.writeHead(404).end()
    // The provider finds out where it is mounted from what Express calls `originalUrl`.
    Object.assign(request, { originalUrl: url, url: url.slice(path.length) })
    if (url.startsWith(`${path}/interaction/`)) return consent(request, response, provider, options)
    return answer(request, response)
  }
}

const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'

function configurationOf({ path, keys, client, scopes, ttlS, opaque, documents, storage }: ProviderOptions): object {
  const resourceServer = (audience: string): object => resourceServerInfo(audience, { scopes, ttlS, keys, opaque })
  return {
    adapter: adapterFor(storage, documents),
    discovery: documents ? { client_id_metadata_document_supported: true } : {},
    clients: [
      {
        client_id: client.id,
        client_secret: client.secret,
        grant_types: ['client_credentials', TOKEN_EXCHANGE],
        redirect_uris: [],
        response_types: [],
      },
    ],
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    cookies: { keys: ['of-the-tests'] },
    jwks: { keys },
    scopes: ['openid', 'offline_access', ...scopes.split(' ')],
    findAccount: (_context: unknown, id: string) => ({ accountId: id, claims: () => ({ sub: id }) }),
    interactions: { url: (_context: unknown, { uid }: { uid: string }) => `${path}/interaction/${uid}` },
    // The SDK's clients count on refresh tokens without asking for `offline_access`.
    issueRefreshToken: (_context: unknown, asking: { grantTypeAllowed(type: string): boolean }) =>
      asking.grantTypeAllowed('refresh_token'),
    extraTokenClaims: ({ oidc }: TokenContext, { gty }: { gty?: string }) =>
      gty === TOKEN_EXCHANGE ? { act: { sub: oidc.client.clientId } } : undefined,
    pkce: { required: () => true },
    ttl: {
      AccessToken: ttlS,
      ClientCredentials: ttlS,
      Grant: 3600,
      Interaction: 600,
      Session: 3600,
      IdToken: 600,
      RefreshToken: 3600,
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      registration: { enabled: true },
      revocation: { enabled: true, allowedPolicy: () => true },
      introspection: { enabled: opaque, allowedPolicy: () => true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_context: unknown, resource: string) => resourceServer(resource),
      },
    },
  }
}

function resourceServerInfo(
  audience: string,
  { scopes: scope, ttlS, keys, opaque }: Pick<ProviderOptions, 'scopes' | 'ttlS' | 'keys' | 'opaque'>,
): object {
  const sign = { alg: 'ES256', kid: keys[0]?.kid }
  const format = opaque ? { accessTokenFormat: 'opaque' } : { accessTokenFormat: 'jwt', jwt: { sign } }
  return { scope, audience, accessTokenTTL: ttlS, ...format }
}

/** Logs in whoever the browser's cookie names, and consents to all that is asked. */
async function consent(
  request: IncomingMessage,
  response: ServerResponse,
  provider: OidcProvider,
  { accounts }: ProviderOptions,
): Promise<void> {
  const { params } = await provider.interactionDetails(request, response)
  const browser = /browser=([^;]+)/.exec(request.headers.cookie ?? '')?.[1] ?? ''
  const accountId = accounts.get(browser) ?? 'nobody'
  const grant = new provider.Grant({ accountId, clientId: params['client_id'] })
  const scope = String(params['scope'] ?? '')
  grant.addOIDCScope(scope)
  for (const resource of [params['resource'] ?? []].flat()) grant.addResourceScope(resource, scope)
  const grantId = await grant.save()
  await provider.interactionFinished(request, response, { login: { accountId }, consent: { grantId } })
}

/** RFC 8693, for subject tokens of its own: the subject stays, the client becomes the actor. */
async function exchangeToken(context: TokenContext, provider: OidcProvider, options: ProviderOptions): Promise<void> {
  const { issuer, keys } = options
  const { client, params } = context.oidc
  const resource = params['resource'] ?? params['audience']
  if (resource === undefined) throw new errors.InvalidTarget('resource or audience is required')
  const { payload } = await jwtVerify(params['subject_token'] ?? '', createLocalJWKSet({ keys: keys.map(publicKey) }), {
    issuer,
  }).catch(() => {
    throw new errors.InvalidRequest('subject_token is none of this server')
  })
  const scope = params['scope'] ?? payload['scope']
  const token = new provider.AccessToken({ client, accountId: payload.sub, gty: TOKEN_EXCHANGE, scope })
  token.resourceServer = new provider.ResourceServer(resource, resourceServerInfo(resource, options))
  context.body = {
    access_token: await token.save(),
    issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    token_type: token.tokenType,
    expires_in: token.expiration,
    scope,
  }
}

export function publicKey({ d: _private, ...key }: JWK): JWK {
  return key
}

type Entry = { payload: Record<string, unknown>; expiresAt: number }

/** Where the provider keeps clients, codes and grants: with the server, so that they outlive a change of keys. */
export type Storage = Map<string, Entry>

function adapterFor(storage: Storage, documents: boolean): new (model: string) => object {
  return class {
    readonly #model: string

    constructor(model: string) {
      this.#model = model
    }

    async upsert(id: string, payload: Record<string, unknown>, expiresInS = Infinity): Promise<void> {
      // What a client registered with is not all it may ever ask for: step-up would be impossible.
      if (this.#model === 'Client') delete payload['scope']
      storage.set(`${this.#model}:${id}`, { payload, expiresAt: Date.now() + expiresInS * 1000 })
    }

    async find(id: string): Promise<Record<string, unknown> | undefined> {
      if (documents && this.#model === 'Client' && URL.canParse(id)) return documentAt(id)
      const entry = storage.get(`${this.#model}:${id}`)
      return entry !== undefined && entry.expiresAt > Date.now() ? entry.payload : undefined
    }

    async findByUid(uid: string): Promise<Record<string, unknown> | undefined> {
      const ofModel = [...storage].filter(([key]) => key.startsWith(`${this.#model}:`))
      return ofModel.find(([, { payload }]) => payload['uid'] === uid)?.[1].payload
    }

    async consume(id: string): Promise<void> {
      Object.assign((await this.find(id)) ?? {}, { consumed: Math.floor(Date.now() / 1000) })
    }

    async destroy(id: string): Promise<void> {
      storage.delete(`${this.#model}:${id}`)
    }

    async revokeByGrantId(grantId: string): Promise<void> {
      for (const [key, { payload }] of storage) if (payload['grantId'] === grantId) storage.delete(key)
    }
  }
}

async function documentAt(url: string): Promise<Record<string, unknown>> {
  const document = (await (await fetch(url)).json()) as Record<string, unknown>
  return { ...document, application_type: 'native' }
}
