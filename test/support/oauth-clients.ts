// The OAuth code that the SDK's own clients bring, with a browser that is one function: it finds its way from the gateway alone.
import {
  Client as ClientV2,
  StreamableHTTPClientTransport as TransportV2,
  UnauthorizedError as UnauthorizedV2,
} from '@modelcontextprotocol/client'
import { UnauthorizedError as UnauthorizedV1 } from '@modelcontextprotocol/sdk/client/auth.js'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'

export interface OAuthClient {
  /** Connects; logs in first when the gateway asks for it. */
  connect(): Promise<void>
  /** Calls a tool; logs in again when the gateway asks for more. */
  call(name: string, args?: Record<string, unknown>): Promise<unknown>
  readonly sessionId: string | undefined
  /** The URLs the browser was sent to. */
  readonly logins: readonly URL[]
  /** What it holds now. */
  tokens(): { access_token: string; refresh_token?: string | undefined } | undefined
  /** Makes it forget its access token, so that the next request must refresh it. */
  spoil(): void
  close(): Promise<void>
}

/** Opens a URL and gives the one it leads back to. */
export type Browser = (url: URL) => Promise<URL>

const REDIRECT = 'http://localhost:9/callback'
const info = { name: 'oauth-client', version: '1.0.0' }

interface Tokens {
  access_token: string
  token_type: string
  refresh_token?: string
}

export interface OAuthOptions {
  /** `false`: a client that is given no refresh tokens. */
  readonly refreshes?: boolean
  readonly mode?: 'legacy' | 'auto'
  /** Where it is sent back to. */
  readonly redirectUrl?: string
  /** Its id, where it need not register. */
  readonly clientId?: string
}

/** What both SDKs ask of whoever keeps their tokens. */
function keeper(browser: Browser, { refreshes = true, redirectUrl = REDIRECT, clientId }: OAuthOptions) {
  let client: { client_id: string } | undefined = clientId === undefined ? undefined : { client_id: clientId }
  let tokens: Tokens | undefined
  let verifier = ''
  let back: URL | undefined
  let discovered: unknown
  const logins: URL[] = []
  return {
    logins,
    tokens: () => tokens,
    spoil: () => void (tokens = tokens && { ...tokens, access_token: 'spoilt' }),
    back: () => back!.searchParams,
    provider: {
      redirectUrl,
      clientMetadata: {
        redirect_uris: [redirectUrl],
        client_name: 'The tests',
        grant_types: ['authorization_code', ...(refreshes ? ['refresh_token'] : [])],
        response_types: ['code'],
        token_endpoint_auth_method: 'none',
      },
      clientInformation: () => client,
      saveClientInformation: (given: { client_id: string }) => void (client = given),
      tokens: () => tokens,
      saveTokens: (given: Tokens) => void (tokens = given),
      saveCodeVerifier: (given: string) => void (verifier = given),
      codeVerifier: () => verifier,
      saveDiscoveryState: (given: unknown) => void (discovered = given),
      discoveryState: () => discovered as undefined,
      async redirectToAuthorization(url: URL) {
        logins.push(url)
        back = await browser(url)
      },
    },
  }
}

export function oauthClientV1(url: string, browser: Browser, options: OAuthOptions = {}): OAuthClient {
  const { provider, back, ...keeps } = keeper(browser, options)
  let client: ClientV1
  let transport: TransportV1
  const open = async (): Promise<void> => {
    transport = new TransportV1(new URL(url), { authProvider: provider })
    client = new ClientV1(info)
    await client.connect(transport)
  }
  const isAsked = (error: unknown): boolean => error instanceof UnauthorizedV1
  const finish = (): Promise<void> => transport.finishAuth(String(back().get('code')))
  return {
    ...keeps,
    connect: () => withLogin(open, isAsked, finish),
    call: (name, args = {}) => withLogin(() => client.callTool({ name, arguments: args }), isAsked, finish),
    get sessionId() {
      return transport.sessionId
    },
    close: () => client.close(),
  }
}

export function oauthClientV2(url: string, browser: Browser, options: OAuthOptions = {}): OAuthClient {
  const { provider, back, ...keeps } = keeper(browser, options)
  let client: ClientV2
  let transport: TransportV2
  const open = async (): Promise<void> => {
    transport = new TransportV2(new URL(url), { authProvider: provider })
    client = new ClientV2(info, { versionNegotiation: { mode: options.mode ?? 'legacy' } })
    await client.connect(transport)
  }
  const isAsked = (error: unknown): boolean => error instanceof UnauthorizedV2
  const finish = (): Promise<void> => transport.finishAuth(back())
  return {
    ...keeps,
    connect: () => withLogin(open, isAsked, finish),
    call: (name, args = {}) => withLogin(() => client.callTool({ name, arguments: args }), isAsked, finish),
    get sessionId() {
      return transport.sessionId
    },
    close: () => client.close(),
  }
}

async function withLogin<Result>(
  attempt: () => Promise<Result>,
  isAsked: (error: unknown) => boolean,
  finish: () => Promise<void>,
): Promise<Result> {
  try {
    return await attempt()
  } catch (error) {
    if (!isAsked(error)) throw error
    await finish()
    return attempt()
  }
}
