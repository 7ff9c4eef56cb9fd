/** A node:http server for an Express app that spares it its most expensive step. */
import {
  createServer as createHttpServer,
  IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
  ServerResponse,
} from 'node:http'

/** An Express 4 or 5 app, as far as it matters here. */
export interface ExpressApp {
  (request: never, response: never): unknown
  readonly locals: object
}

/** The options of `http.createServer()`, but for the prototypes, which are the app's. */
export type ExpressServerOptions = Omit<ServerOptions, 'IncomingMessage' | 'ServerResponse'>

/** Longer than proxies in front keep theirs (60 s), so that it is never we who close first. */
const KEEP_ALIVE_MS = 65_000

/**
 * `createServer(app)` instead of `app.listen()`: the same server to every middleware, but its requests and responses
 * have the app's prototypes from the start. Express gives them theirs one by one otherwise, which costs more than the
 * whole gateway. Takes the options of `http.createServer()`; `keepAliveTimeout` is 65 000 ms by default. It is yours
 * to `listen()`. Throws a TypeError for what is no Express app.
 */
export function createServer(app: ExpressApp, options: ExpressServerOptions = {}): Server {
  const { request, response } = prototypesOf(app)
  if (typeof app !== 'function' || !('handle' in app) || !isPrototype(request) || !isPrototype(response)) {
    throw new TypeError('createServer takes an Express app: createServer(express())')
  }
  for (const option of ['IncomingMessage', 'ServerResponse'] as const) {
    if (option in options) throw new TypeError(`"${option}" of createServer comes from the app, and cannot be another`)
  }
  const made = {
    ...options,
    keepAliveTimeout: options.keepAliveTimeout ?? KEEP_ALIVE_MS,
    IncomingMessage: withPrototype(IncomingMessage, request),
    ServerResponse: withPrototype(ServerResponse, response),
  }
  return createHttpServer(made, app as unknown as RequestListener)
}

/** Express's types don't always say that an app has them. */
function prototypesOf(app: ExpressApp): { readonly request?: object; readonly response?: object } {
  return (app ?? {}) as object
}

function isPrototype(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/**
 * A constructor like `Base` whose objects have this very prototype: Express sees that there is nothing to swap. Both
 * are plain functions in Node, and calling them keeps the objects' shape the same for all.
 */
function withPrototype<T extends typeof IncomingMessage | typeof ServerResponse>(Base: T, prototype: object): T {
  function Made(this: object, ...parts: unknown[]): void {
    Reflect.apply(Base, this, parts)
  }
  Made.prototype = prototype
  return Made as unknown as T
}
