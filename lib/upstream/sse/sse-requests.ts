/** The two requests of HTTP+SSE, with the headers of the server's config: the stream's GET, and a message's POST. */
import type { Dispatcher } from 'undici'
import { GatewayError } from '../../errors.ts'
import { EVENT_STREAM_TYPE, JSON_TYPE } from '../../protocol.ts'
import type { PipeContext, SseServer } from '../../types.ts'
import { inHookTime } from '../../util/hook-timeout.ts'
import { joined } from '../http/check-response.ts'
import type { HttpTransport } from '../http/http-transport.ts'
import { checkHeaders } from '../http/target.ts'

type SentHeaders = Readonly<Record<string, string>>
type Response = Dispatcher.ResponseData

export class SseRequests {
  readonly #server: string
  readonly #url: URL
  readonly #headers: SseServer['headers']
  readonly #transport: HttpTransport

  constructor(server: string, url: URL, headers: SseServer['headers'], transport: HttpTransport) {
    this.#server = server
    this.#url = url
    this.#headers = headers
    this.#transport = transport
  }

  get connectMs(): number {
    return this.#transport.connectMs
  }

  /** Opens the event stream on a connection of its own, because it occupies one for as long as it lives. */
  listen(context: PipeContext, signal: AbortSignal): Promise<Response> {
    const { origin, pathname, search } = this.#url
    return this.#send(context, async (headers) => {
      const dispatcher = this.#transport.dispatcherFor(origin, true)
      try {
        const own = ['accept', EVENT_STREAM_TYPE, 'accept-encoding', 'identity']
        return await dispatcher.request({
          origin,
          path: pathname + search,
          method: 'GET',
          headers: [...own, ...headers],
          signal,
        })
      } catch (error) {
        this.#transport.abandon(dispatcher)
        throw error
      }
    })
  }

  post(path: string, body: string, context: PipeContext, signal: AbortSignal): Promise<Response> {
    const { origin } = this.#url
    const own = ['content-type', JSON_TYPE, 'accept-encoding', 'identity']
    return this.#send(context, (headers) =>
      this.#transport
        .dispatcherFor(origin, false)
        .request({ origin, path, method: 'POST', headers: [...own, ...headers], body, signal }),
    )
  }

  /**
   * The path to POST messages to. Throws for an endpoint of another origin, to which a server could otherwise redirect
   * the client's messages and the gateway's credentials.
   */
  endpointOf(data: string): string {
    const endpoint = URL.canParse(data, this.#url.href) ? new URL(data, this.#url) : undefined
    if (endpoint?.origin === this.#url.origin) return endpoint.pathname + endpoint.search
    throw new GatewayError('upstream_invalid', 'The server named an endpoint of another origin')
  }

  /** Repeats a request that was refused with 401 once, if the `headers` function returns other headers for it. */
  async #send(context: PipeContext, send: (headers: readonly string[]) => Promise<Response>): Promise<Response> {
    const headers = await this.#ask(context)
    const sent = this.#flat(headers)
    const response = await send(sent)
    if (response.statusCode !== 401 || typeof this.#headers !== 'function') return response
    const challenge = joined(response.headers['www-authenticate'])
    const better = this.#flat(await this.#ask(context, headers, challenge))
    if (better.join('\n') === sent.join('\n')) return response
    await response.body.dump()
    return send(better)
  }

  #flat(headers: SentHeaders): string[] {
    return [...checkHeaders(this.#server, headers), 'via', this.#transport.loopGuard.viaOf(undefined)]
  }

  /** Passes no client request, because the stream outlives the request that opened it. */
  async #ask({ principal }: PipeContext, refused?: SentHeaders, challenge?: string): Promise<SentHeaders> {
    const headers = this.#headers ?? {}
    if (typeof headers !== 'function') return headers
    const asked = { principal, request: undefined, server: this.#server, url: this.#url.href }
    const context = { ...asked, refused, challenge }
    return inHookTime(headers(context), '"headers"')
  }
}
