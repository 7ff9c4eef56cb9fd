// Compile-only: what `authenticate` answers is what the other hooks are given, and hooks may speak their host's types.
import type { IncomingMessage } from 'node:http'
import type { AuthInfo as SdkAuthInfo } from '@modelcontextprotocol/sdk/server/auth/types.js'
import type { Request } from 'express'
import type { Request as Request4 } from 'express4'
import {
  type GatewayOptions,
  type HeadersContext,
  type HttpServer,
  inProcess,
  mcpGateway,
  type Principal,
  type ServerConfig,
  type ServerInfo,
  type ServerLookup,
  tools,
} from '../../lib/index.ts'
import { clientCredentials, tokenExchange, jwtBearer, type JwtPrincipal } from '../../lib/auth/index.ts'
import { stdio } from '../../lib/stdio/index.ts'

type Equals<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const proven = <T extends true>(): T | undefined => undefined

interface Member extends Principal {
  readonly tenant: string
}
declare const members: { of(request: IncomingMessage): Promise<Member | undefined> }
const url = 'https://weather.example.com/mcp'

// The principal's type is inferred from `authenticate` and reaches `servers`, `headers` and `onError`.
mcpGateway({
  authenticate: (request) => members.of(request),
  servers: (name, { principal, request }) => {
    proven<Equals<typeof name, string>>()
    proven<Equals<typeof principal, Member>>()
    request.headers.host?.toLowerCase()
    return principal?.tenant === 'acme' ? { url } : undefined
  },
  onError: (error, { server, principal, request }) => {
    proven<Equals<typeof error, Error>>()
    proven<Equals<typeof server, string | undefined>>()
    proven<Equals<typeof principal, Member | undefined>>()
    request?.method?.toLowerCase()
  },
})
mcpGateway({
  authenticate: (request) => members.of(request),
  servers: {
    weather: {
      url,
      headers: ({ principal, server }) => {
        proven<Equals<typeof principal, Member>>()
        proven<Equals<typeof server, string>>()
        return { 'x-tenant': principal?.tenant ?? '' }
      },
    },
  },
})

// Where `authenticate` is a function, every hook has a principal, in whatever order the options stand.
mcpGateway({
  servers: (name, { principal }) => ({ url: `${url}/${name}/${principal.id}` }),
  authenticate: () => ({ id: 'ada' }),
})
mcpGateway({
  servers: {
    weather: { url, headers: ({ principal }) => ({ 'x-id': principal.id }) },
    files: stdio({ command: 'files', env: ({ principal }) => ({ ROOT: principal.id }) }),
    notes: inProcess((_transport, { principal }) => principal.id),
  },
  intercept: [
    { 'tools/call': ({ principal }, next) => (principal.id === 'ada' ? next() : { content: [] }) },
    tools({ allow: ({ name }, { principal }) => principal.id === name }),
  ],
  authenticate: async () => ({ id: 'ada' }),
})
// With `authenticate` before them, hooks know the fields of the principal, too. What makes hooks needs its type.
mcpGateway({
  authenticate: (request) => members.of(request),
  servers: { files: stdio<Member>({ command: 'files', env: ({ principal }) => ({ TENANT: principal.tenant }) }) },
  intercept: tools<Member>({ allow: ({ name }, { principal }) => principal.tenant === name }),
})
const lookup: ServerLookup<Member> = (name, { principal }) => ({ url: `${url}/${name}/${principal.tenant}` })
mcpGateway({ servers: lookup, authenticate: (request) => members.of(request) })
// With `authenticate: false` there is none.
mcpGateway({
  servers: (name, { principal }) => {
    proven<Equals<typeof principal, Principal | undefined>>()
    return { url: `${url}/${name}` }
  },
  authenticate: false,
})
const files = stdio({ command: 'files' })
mcpGateway({ servers: { files }, authenticate: false })
mcpGateway({ servers: { files }, authenticate: (request) => members.of(request) })

// A principal's own fields are not lost when options are written down before they are used.
const options: GatewayOptions<Member> = {
  servers: { weather: { url } },
  authenticate: (request) => members.of(request),
}
mcpGateway(options)

// Without a type of one's own, a principal is an id and what the library knows of.
mcpGateway({ servers: {}, authenticate: () => ({ id: 'ada', scopes: ['tools'], expiresAt: 0 }) })
mcpGateway({
  servers: {},
  authenticate: async (_request, { server }) => (server === 'open' ? { id: 'all' } : undefined),
})

// Nobody needs a cast to reach what a middleware in front has put on Express's own request. A context is annotated whole:
// TypeScript compares either way round, but only between types of which one holds all of the other.
mcpGateway({
  authenticate: (request: Request) => (request.ip === undefined ? undefined : { id: request.ip }),
  servers: (name, { request }: { principal: Principal | undefined; request: Request }) =>
    request.secure ? { url: `${url}/${name}` } : undefined,
})
mcpGateway({ servers: {}, authenticate: (request: Request4) => ({ id: request.hostname }) })
mcpGateway({
  authenticate: (request: Request & { user?: Member }) => request.user,
  servers: {
    weather: {
      url,
      headers: async ({ request }: HeadersContext<Member> & { request: Request }) => ({ 'x-ip': request.ip ?? '' }),
    },
  },
})

// What the library makes fits as `headers`, whatever principals there are; its own hook may speak the host's types too.
const client = { issuer: 'https://login.example.com', clientId: 'gateway', clientSecret: 's3cret' }
mcpGateway({
  authenticate: (request: Request & { user?: Member }) => request.user,
  servers: {
    weather: { url, headers: clientCredentials(client) },
    maps: { url, headers: tokenExchange(client) },
    mail: {
      url,
      headers: tokenExchange({
        ...client,
        subjectToken: ({ request }: HeadersContext & { request: Request & { token?: string } }) => request.token,
      }),
    },
  },
})

// The `mcpServers` JSON that people already have fits as a record.
const mcpServers: Record<string, ServerConfig> = {
  weather: { type: 'http', url: new URL(url), title: 'Weather', description: 'Forecasts', tags: ['public'] },
  maps: { type: 'streamable-http', url, headers: { authorization: 'Bearer s3cret' } },
}
mcpGateway({ servers: mcpServers, authenticate: false })

// A server behind HTTP is a kind of server, and what all kinds have can be kept apart from what is behind it.
const info: ServerInfo = { title: 'Weather', version: '1.0.0', scopes: { tools: { 'delete_*': ['write'] } } }
const behindHttp: HttpServer<Member> = { ...info, url, headers: ({ principal }) => ({ 'x-id': principal?.id ?? '' }) }
const configs: ServerConfig<Member>[] = [behindHttp, { ...info, url }]
mcpGateway({ authenticate: (request) => members.of(request), servers: () => configs[0] })

// What must not compile.
// @ts-expect-error `authenticate` has no silent default
mcpGateway({ servers: {} })
// @ts-expect-error `servers` is required
mcpGateway({ authenticate: false })
// @ts-expect-error `true` is not a way to authenticate
mcpGateway({ servers: {}, authenticate: true })
// @ts-expect-error a principal has an id
mcpGateway({ servers: {}, authenticate: () => ({ name: 'ada' }) })
// @ts-expect-error an unknown transport
mcpGateway({ authenticate: false, servers: { weather: { type: 'ws', url } } })
// @ts-expect-error a server has a URL
mcpGateway({ authenticate: false, servers: { weather: {} } })
// @ts-expect-error an option nobody knows
mcpGateway({ authenticate: false, servers: {}, timeout: 5 })

// jwtBearer() is a hook like any other: its principal reaches the other hooks, with what the option "principal" adds.
mcpGateway({
  authenticate: jwtBearer({
    issuer: 'https://login.example.com',
    principal: async ({ team }) => ({ team: String(team) }),
  }),
  servers: (_name, { principal }) => {
    proven<Equals<typeof principal, JwtPrincipal & { team: string }>>()
    const { sub } = principal?.claims ?? {}
    proven<Equals<typeof sub, string | undefined>>()
    return principal?.team === 'acme' && principal.scopes.includes('mcp') ? { url } : undefined
  },
  publicUrl: new URL('https://app.example.com'),
})

// What the SDK's `requireBearerAuth` leaves is a principal as it is.
mcpGateway({ servers: {}, authenticate: ({ auth }: Request & { auth?: SdkAuthInfo }) => auth })
mcpGateway({ servers: {}, authenticate: async (request: Request & { auth?: SdkAuthInfo }) => request.auth })

// A hook may ask another one, and is told whom tokens are for.
const bearer = jwtBearer({ issuer: 'https://login.example.com' })
mcpGateway({
  servers: {},
  protectedResource: { authorizationServers: ['https://login.example.com'], has: async (name) => name === 'weather' },
  authenticate: (request, context) => {
    proven<Equals<typeof context.resource, string | undefined>>()
    return request.headers['x-api-key'] === 'key' ? { id: 'key' } : bearer(request, context)
  },
})

// @ts-expect-error Nobody: neither an id nor a token to tell them by.
mcpGateway({ servers: {}, authenticate: () => ({ clientId: 'desktop', scopes: ['mcp'] }) })
mcpGateway({
  // @ts-expect-error A scope is one of a list.
  servers: { weather: { url, scopes: { tools: { delete_file: 'write' } } } },
  authenticate: () => undefined,
})
