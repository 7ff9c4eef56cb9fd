/** The connections to all servers behind HTTP, and how long each answer is waited for. */
import { Agent, buildConnector, Client, type Dispatcher } from 'undici'
import type { Eras } from '../eras.ts'
import { Deadlines } from '../../util/deadlines.ts'

/** Told how asking an upstream went: whether anything sensible came back. */
export type OnOutcome = (upstreamId: string, hasAnswered: boolean) => void

export interface UpstreamTimeouts {
  readonly connectMs: number
  readonly responseMs: number
}

export class HttpTransport {
  readonly eras: Eras
  readonly responseMs: number
  readonly deadlines: Deadlines
  readonly #options: Client.Options
  /** Connections for calls, shared and kept alive per origin; idle ones close by themselves. */
  readonly #calls: Agent
  /** A listener has a connection of its own, closed with it: thousands of idle ones never slow a call down. */
  readonly #streams = new Set<Client>()
  #onOutcome: OnOutcome | undefined

  constructor({ connectMs, responseMs }: UpstreamTimeouts, eras: Eras) {
    this.eras = eras
    this.responseMs = responseMs
    this.deadlines = new Deadlines(responseMs)
    // SE17: by default undici ends a stream that is quiet for 300 s.
    this.#options = { connect: buildConnector({ timeout: connectMs }), bodyTimeout: 0, headersTimeout: 0 }
    this.#calls = new Agent(this.#options)
  }

  /** From now on tells how each exchange went. Without a watcher it costs nothing. */
  watch(onOutcome: OnOutcome): void {
    const before = this.#onOutcome
    this.#onOutcome = (upstreamId, hasAnswered) => {
      before?.(upstreamId, hasAnswered)
      onOutcome(upstreamId, hasAnswered)
    }
  }

  outcome(upstreamId: string, hasAnswered: boolean): void {
    this.#onOutcome?.(upstreamId, hasAnswered)
  }

  /** Where a request goes out: over a shared connection, or over one of its own that is closed with its stream. */
  dispatcherFor(origin: string, listens: boolean): Dispatcher {
    return listens ? this.#openStream(origin) : this.#calls
  }

  /** Lets go of a connection for a listener that has got none: undici tells of no end of what it never began. */
  abandon(dispatcher: Dispatcher): void {
    if (dispatcher instanceof Client) this.#closeStream(dispatcher)
  }

  async close(): Promise<void> {
    await Promise.all([this.#calls.destroy(), ...Array.from(this.#streams, (client) => client.destroy())])
  }

  #openStream(origin: string): Client {
    const client = new Client(origin, this.#options)
    this.#streams.add(client)
    client.once('disconnect', () => this.#closeStream(client))
    client.once('connectionError', () => this.#closeStream(client))
    return client
  }

  #closeStream(client: Client): void {
    this.#streams.delete(client)
    client.destroy().catch(() => {})
  }
}
