/** oidc-provider, closed in: it is asked in memory, so that no header, cookie or redirect passes but those that we write. */
import { Provider } from 'oidc-provider'
import type { ParameterList } from '../pages/forms.ts'
import type { GatewayRequest } from '../types.ts'
import { nextRefreshToken } from './engine-adapter.ts'
import { type EngineCall, engineCall, inEngineCall } from './engine-call.ts'
import { type ConfigurationParts, engineConfiguration } from './engine-configuration.ts'
import { askInMemory, type MemoryAnswer } from './memory-http.ts'
import { PATHS } from './paths.ts'
import type { FoundClient } from './types.ts'

/** An authorization request that a user can be asked about. */
export interface ValidRequest {
  readonly client: FoundClient
  readonly redirectUri: string
  readonly resource: string
  readonly scopes: readonly string[]
}

/** Why an authorization request cannot go on. `back` is where the client is told; checked against its redirect URIs. */
export interface RequestFault {
  readonly status: number
  readonly error: string
  readonly description: string | undefined
  readonly back: { readonly url: string; readonly client: FoundClient } | undefined
}

/** How the user answered. */
export type UserDecision = { readonly user: string; readonly grant: string } | 'denied'

/** The store or a hook failed, which has been reported. */
export class EngineUnavailable extends Error {
  override readonly name = 'EngineUnavailable'
}

const FORM = 'application/x-www-form-urlencoded'

interface Asked {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export class Engine {
  readonly #listener: ReturnType<Provider['callback']>
  readonly #parts: ConfigurationParts

  constructor(parts: ConfigurationParts) {
    const { config, secrets } = parts
    this.#parts = parts
    const provider = new Provider(config.issuer, engineConfiguration(parts))
    provider.on('server_error', (_context, error) => {
      const call = engineCall()
      call.fault ??= error
      config.report(error, call.request)
    })
    // The value of a refresh token is its id.
    provider.RefreshToken.prototype.generateTokenId = function generateTokenId(this: { grantId: string }) {
      return nextRefreshToken(this.grantId, secrets)
    }
    this.#listener = provider.callback()
  }

  /** Checks an authorization request, without a user. */
  async check(parameters: ParameterList, request: GatewayRequest): Promise<ValidRequest | RequestFault> {
    return inEngineCall(request, async (call) => {
      const answer = await this.#authorize(parameters)
      return call.interaction ? validRequest(call) : requestFault(answer, parameters, call)
    })
  }

  /** Answers an authorization request as the user decided: the URL by which the client learns it. */
  async decide(
    parameters: ParameterList,
    decision: UserDecision,
    request: GatewayRequest,
  ): Promise<string | RequestFault> {
    return inEngineCall(request, async (call) => {
      const first = await this.#authorize(parameters)
      const { interaction } = call
      if (!interaction) return requestFault(first, parameters, call)
      const result =
        decision === 'denied'
          ? { error: 'access_denied', error_description: 'The user denied the request' }
          : { login: { accountId: decision.user }, consent: { grantId: decision.grant } }
      interaction.payload = { ...interaction.payload, result }
      const headers = { cookie: `${RESUME_COOKIE}=${interaction.uid}` }
      const answer = await this.#ask({ method: 'GET', path: `${PATHS.authorize}/${interaction.uid}`, headers })
      const { location } = answer.headers
      const isDecided = answer.status === 303 && typeof location === 'string'
      return isDecided ? location : requestFault(answer, parameters, call)
    })
  }

  /** Passes on a request to the token or the revocation endpoint. */
  async post(
    path: typeof PATHS.token | typeof PATHS.revoke,
    parameters: ParameterList,
    request: GatewayRequest,
  ): Promise<MemoryAnswer> {
    return inEngineCall(request, async (call) => {
      const { authorization } = request.headers
      const headers = { 'content-type': FORM, accept: 'application/json', ...(authorization && { authorization }) }
      const body = String(new URLSearchParams(this.#withCanonicalResource(parameters)))
      const answer = await this.#ask({ method: 'POST', path, headers, body })
      if (answer.status >= 500) throw new EngineUnavailable('The token cannot be issued now', { cause: call.fault })
      return answer
    })
  }

  #authorize(parameters: ParameterList): Promise<MemoryAnswer> {
    const query = new URLSearchParams(this.#withCanonicalResource(parameters))
    return this.#ask({ method: 'GET', path: `${PATHS.authorize}?${query.toString()}` })
  }

  #ask({ method, path, headers = {}, body }: Asked): Promise<MemoryAnswer> {
    const { config } = this.#parts
    const { host, protocol } = new URL(config.issuer)
    return askInMemory(this.#listener, {
      method,
      path,
      originalPath: config.path + path,
      headers: { host, accept: 'application/json', ...headers },
      body,
      isSecure: protocol === 'https:',
    })
  }

  /** Resources that differ from the URI of a server by a slash at most become that URI. */
  #withCanonicalResource(parameters: ParameterList): [string, string][] {
    return parameters.map(([name, value]) =>
      name === 'resource' ? [name, this.#parts.hosts.serverOf(value)?.resource ?? value] : [name, value],
    )
  }
}

const RESUME_COOKIE = '_interaction_resume'

function validRequest({ interaction, clients }: EngineCall): ValidRequest {
  const { params } = interaction!.payload as { params: Readonly<Record<string, string>> }
  return {
    client: clients.get(params['client_id']!)!,
    redirectUri: params['redirect_uri']!,
    resource: params['resource']!,
    scopes: params['scope']!.split(' '),
  }
}

/** The answer is a redirect to the client, or the JSON that `renderError` made. */
function requestFault(
  { status, headers, body }: MemoryAnswer,
  parameters: ParameterList,
  call: EngineCall,
): RequestFault {
  const { location } = headers
  if (status === 303 && typeof location === 'string') {
    const client = call.clients.get(parameters.find(([name]) => name === 'client_id')?.[1] ?? '')
    const { searchParams, hash } = new URL(location)
    // A response type with tokens, which there is not here, has its errors in the fragment.
    const told = searchParams.has('error') ? searchParams : new URLSearchParams(hash.slice(1))
    const error = told.get('error') ?? 'server_error'
    const description = told.get('error_description') ?? undefined
    return { status: 400, error, description, back: client && { url: location, client } }
  }
  const { error = 'server_error', error_description: description } = jsonOf(body)
  if (status >= 500 || error === 'server_error') {
    throw new EngineUnavailable('The engine failed', { cause: call.fault })
  }
  return { status, error, description, back: undefined }
}

function jsonOf(body: string): { readonly error?: string; readonly error_description?: string } {
  try {
    return JSON.parse(body) as { error?: string }
  } catch {
    return {}
  }
}
