// Compile-only: interceptors know what their methods say, and other methods can be declared.
import { GatewayError, type Interceptor, mcpGateway, type Principal, RpcError, tools } from '../../lib/index.ts'

interface User extends Principal {
  readonly team: string
}

declare module '../../lib/types/interceptors.ts' {
  interface McpMethods {
    'acme/approve': {
      from: 'client'
      params: Json & { readonly order: number }
      result: Json & { readonly ok: boolean }
    }
  }
}

const typed: Interceptor<User> = {
  'tools/call': async ({ principal, params }, next) => {
    if (principal?.team !== 'ops') throw new RpcError(-32602, `Unknown tool: ${params.name}`)
    const { content = [] } = await next({ ...params, arguments: { ...params.arguments, more: 1 } })
    return { content, isError: content.length === 0 }
  },
  'acme/approve': ({ params }, next) => (params.order > 100 ? { ok: false } : next()),
  // What a server says has no result here, and may be answered in the client's place.
  'elicitation/create': ({ params }, next) => (params.message === '' ? { action: 'decline' } : next()),
  'notifications/message': async ({ params }, next) => {
    if (params.level !== 'debug') await next()
  },
  'prompts/*': (_message, next) => next(),
  '*': () => {
    throw new GatewayError('rate_limited', 'Slow down')
  },
}

const policy = tools<User>({
  allow: ({ digest, annotations }, { principal }) => principal.team === digest || annotations.readOnlyHint,
})
policy.changed()

mcpGateway<User>({
  servers: { one: { url: 'http://127.0.0.1/', intercept: tools({ allow: ['a'] }) } },
  authenticate: () => ({ id: '', team: '' }),
  intercept: [typed, policy],
})

// @ts-expect-error -- a method that nobody has declared
export const misspelt: Interceptor = { 'tools/cal': (_message, next) => next() }

// @ts-expect-error -- the result of a list has a list
export const unlisted: Interceptor = { 'tools/list': () => ({}) }

export const frozen: Interceptor = {
  'tools/call': ({ params }, next) => {
    // @ts-expect-error -- what a layer gets is frozen
    params.name = 'other'
    return next()
  },
}
