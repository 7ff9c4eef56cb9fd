/** The HTTP connections to all servers, and the time limits of their responses. */
// By its file, because Bun replaces 'undici' by a module of its own that has no dispatcher.
import { Agent, buildConnector, Client, type Dispatcher } from 'undici/index.js'
import type { OnOutcome } from '../../exchange/gateway-internals.ts'
import type { BeginAttempt } from '../../exchange/observed.ts'
import type { Eras } from '../eras.ts'
import { Deadlines } from '../../util/deadlines.ts'
import { LoopGuard } from './loop-guard.ts'

export interface HttpTransportParts {
  readonly connectMs: number
  readonly responseMs: number
  /** Told of each request that is sent, when somebody watches. */
  readonly attempt?: BeginAttempt | undefined
}

export class HttpTransport {
  readonly eras: Eras
  readonly connectMs: number
  readonly responseMs: number
  readonly attempt: BeginAttempt | undefined
  readonly deadlines: Deadlines
  readonly loopGuard: LoopGuard = new LoopGuard()
  readonly #options: Client.Options
  /** Connections for requests, shared and kept alive per origin. Idle ones close after a timeout. */
  readonly #calls: Agent
  /** Each listening stream has its own connection, so that thousands of idle streams never block a request. */
  readonly #streams = new Set<Client>()
  #onOutcome: OnOutcome | undefined

  constructor({ connectMs, responseMs, attempt }: HttpTransportParts, eras: Eras) {
    this.eras = eras
    this.connectMs = connectMs
    this.responseMs = responseMs
    this.attempt = attempt
    this.deadlines = new Deadlines(responseMs)
    // SE17: undici's default ends a stream that is idle for 300 s.
    this.#options = { connect: buildConnector({ timeout: connectMs }), bodyTimeout: 0, headersTimeout: 0 }
    this.#calls = new Agent(this.#options)
  }

  /** Registers the listener for outcomes. */
  watch(onOutcome: OnOutcome): void {
    const before = this.#onOutcome
    this.#onOutcome = (upstreamId, hasAnswered, exit) => {
      before?.(upstreamId, hasAnswered, exit)
      onOutcome(upstreamId, hasAnswered, exit)
    }
  }

  readonly outcome: OnOutcome = (upstreamId, hasAnswered, exit) => {
    this.#onOutcome?.(upstreamId, hasAnswered, exit)
  }

  /** A shared connection for a request; a new one for a listening stream, which is closed with the stream. */
  dispatcherFor(origin: URL | string, listens: boolean): Dispatcher {
    return listens ? this.#openStream(origin) : this.#calls
  }

  /** Closes the connection of a listening stream that failed to connect, for which undici reports no end. */
  abandon(dispatcher: Dispatcher): void {
    if (dispatcher instanceof Client) this.#closeStream(dispatcher)
  }

  async close(): Promise<void> {
    await Promise.all([this.#calls.destroy(), ...Array.from(this.#streams, (client) => client.destroy())])
  }

  /** What is allocated here is kept as long as the stream: hence a parsed URL that streams share, and no `once()`. */
  #openStream(origin: URL | string): Client {
    const client = new Client(origin, this.#options)
    this.#streams.add(client)
    const onOver = (): void => this.#closeStream(client)
    client.on('disconnect', onOver)
    client.on('connectionError', onOver)
    return client
  }

  #closeStream(client: Client): void {
    this.#streams.delete(client)
    client.destroy().catch(() => {})
  }
}
