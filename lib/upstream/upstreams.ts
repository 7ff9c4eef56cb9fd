/** A server's config -> the upstream that answers behind it. */
import type { Upstream, UpstreamOf } from '../exchange/layer.ts'
import type { Eras } from './eras.ts'
import { HttpTransport, type OnOutcome, type UpstreamTimeouts } from './http/http-transport.ts'
import { HttpUpstreams } from './http/http-upstream.ts'

export class Upstreams {
  readonly #transport: HttpTransport
  readonly #http: HttpUpstreams

  constructor(timeouts: UpstreamTimeouts, eras: Eras) {
    this.#transport = new HttpTransport(timeouts, eras)
    this.#http = new HttpUpstreams(this.#transport)
  }

  /** The same upstream for the same config. Throws a TypeError that names the fault and the cure. */
  readonly of: UpstreamOf = (server, config): Upstream => this.#http.of(server, config)

  /** From now on tells how each exchange with an upstream went, whoever caused it. */
  watch(onOutcome: OnOutcome): void {
    this.#transport.watch(onOutcome)
  }

  close(): Promise<void> {
    return this.#transport.close()
  }
}
