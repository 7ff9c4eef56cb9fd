/** A node:http server for an Express app that saves Express the change of prototypes on every request. */
import {
  createServer,
  IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
  ServerResponse,
} from 'node:http'

/** An Express 4 or 5 app: the members that `createExpressServer()` needs. */
export interface ExpressApp {
  (request: never, response: never): unknown
  readonly locals: object
}

/**
 * The options of `http.createServer()`, without `IncomingMessage` and `ServerResponse`, which come from the app.
 *
 * @see https://nodejs.org/api/http.html#httpcreateserveroptions-requestlistener
 */
export type ExpressServerOptions = Omit<ServerOptions, 'IncomingMessage' | 'ServerResponse'>

/** Longer than proxies keep idle connections (60 s): a request on a connection that is being closed would be lost. */
const KEEP_ALIVE_MS = 65_000

/**
 * Creates a `node:http` server for an Express app, to be used instead of `app.listen()`. Middleware sees no difference,
 * but requests and responses have the app's prototypes from the start: Express otherwise sets them on every request,
 * which costs more than the whole gateway on Node.js 20 and 22, and little from 24 on. `keepAliveTimeout` defaults to
 * 65 000 milliseconds.
 *
 * @example
 * ```js
 * const app = express()
 * app.use('/mcp-servers', mcpGateway({ servers, authenticate }))
 * createExpressServer(app).listen(3000)
 * ```
 *
 * @throws {TypeError} when `app` is not an Express app, or `options` has `IncomingMessage` or `ServerResponse`.
 */
export function createExpressServer(app: ExpressApp, options: ExpressServerOptions = {}): Server {
  const { request, response } = prototypesOf(app)
  if (typeof app !== 'function' || !('handle' in app) || !isPrototype(request) || !isPrototype(response)) {
    throw new TypeError('createExpressServer takes an Express app: createExpressServer(express())')
  }
  for (const option of ['IncomingMessage', 'ServerResponse'] as const) {
    if (option in options)
      throw new TypeError(`"${option}" of createExpressServer comes from the app, and cannot be another`)
  }
  const made = {
    ...options,
    keepAliveTimeout: options.keepAliveTimeout ?? KEEP_ALIVE_MS,
    IncomingMessage: withPrototype(IncomingMessage, request),
    ServerResponse: withPrototype(ServerResponse, response),
  }
  return createServer(made, app as unknown as RequestListener)
}

/** The types of Express do not always declare these members. */
function prototypesOf(app: ExpressApp): { readonly request?: object; readonly response?: object } {
  return (app ?? {}) as object
}

function isPrototype(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** Whether calling the base is cheaper than constructing it for another constructor, by half of the whole request. */
const CALLS_BASE = Number.parseInt(process.versions.node, 10) < 22

/**
 * A constructor like `Base` whose objects have this very prototype, so that Express has none to set. Both bases are
 * plain functions in Node; calling them, rather than subclassing, gives all objects the same hidden class.
 */
function withPrototype<T extends typeof IncomingMessage | typeof ServerResponse>(Base: T, prototype: object): T {
  function Called(this: object, ...parts: unknown[]): void {
    Reflect.apply(Base, this, parts)
  }
  function Constructed(...parts: unknown[]): object {
    return Reflect.construct(Base, parts, Constructed) as object
  }
  const Made = CALLS_BASE ? Called : Constructed
  Made.prototype = prototype
  return Made as unknown as T
}
