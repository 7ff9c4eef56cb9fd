/** Serves the activity to those who may see it: as a page, as JSON, and as a stream of events. */
import type { ServerResponse } from 'node:http'
import { GatewayError } from '../../errors.ts'
import { JSON_TYPE } from '../../protocol.ts'
import { inHookTime } from '../../util/hook-timeout.ts'
import type { Listing, Visitor } from '../listing.ts'
import { pageVisitor } from '../page-visitor.ts'
import { sendDocument, sendPage } from '../respond.ts'
import type { Settings } from '../settings.ts'
import { ActivityCounter } from './activity-counter.ts'
import { activityPage } from './activity-page.ts'
import { ActivityStream } from './activity-stream.ts'
import { type ActivitySnapshot, figuresOf } from './figures.ts'
import { ProcessGauge } from './process-gauge.ts'
import { SessionGauge } from './session-gauge.ts'

/** How often that is measured of which nothing is heard, in milliseconds. */
const SAMPLE_MS = 10_000

/** What a visitor asks for. */
export interface ActivityRequest {
  readonly form: 'html' | 'json' | 'events'
  /** Authenticates the visitor again. */
  readonly authenticate: () => Promise<Visitor>
}

export class ActivityView {
  readonly #settings: Settings
  readonly #listing: Listing
  readonly #activity = new ActivityCounter()
  readonly #stream = new ActivityStream()
  readonly #process = new ProcessGauge(performance.now())
  readonly #sessions: SessionGauge

  constructor(settings: Settings, listing: Listing) {
    this.#settings = settings
    this.#listing = listing
    const { gateway } = settings
    gateway.watchRequests(this.#activity)
    this.#sessions = new SessionGauge(() => gateway.sessionCount())
    const timer = setInterval(() => this.#sample(), SAMPLE_MS).unref()
    gateway.onClose(() => {
      this.#stream.close()
      this.#process.close()
      clearInterval(timer)
    })
  }

  /** Whether a visitor may see it. */
  async isOpenTo({ principal, request }: Pick<Visitor, 'principal' | 'request'>): Promise<boolean> {
    const { activity } = this.#settings
    // Nothing but `true` opens it: a hook may be JavaScript.
    const answer: unknown = activity && (await inHookTime(activity(principal, { request }), '"activity"'))
    return answer === true
  }

  /** Throws `not_found` for a visitor who may not see it. `authenticate` is asked again while a stream is open. */
  async serve(response: ServerResponse, visitor: Visitor, { form, authenticate }: ActivityRequest): Promise<void> {
    await this.#check(visitor)
    const { gateway, title } = this.#settings
    const { request } = visitor
    if (form === 'events') return this.#serveEvents(response, visitor, authenticate)
    const snapshot = await this.#snapshot(visitor)
    if (form === 'json') {
      return sendDocument(gateway.send, request, response, snapshot, { type: JSON_TYPE, audience: 'private' })
    }
    const who = pageVisitor(this.#settings, request, visitor.principal)
    return sendPage(gateway.send, response, (nonce) => activityPage(title, snapshot, who, nonce))
  }

  async #serveEvents(response: ServerResponse, visitor: Visitor, authenticate: () => Promise<Visitor>): Promise<void> {
    let servers = await this.#listing.all(visitor)
    this.#stream.add({
      response,
      check: async () => {
        const again = await authenticate()
        await this.#check(again)
        servers = await this.#listing.all(again)
      },
      data: () => JSON.stringify({ at: new Date().toISOString(), figures: figuresOf(this.#snapshotWith(servers)) }),
    })
  }

  async #check(visitor: Visitor): Promise<void> {
    if (!(await this.isOpenTo(visitor))) throw new GatewayError('not_found', 'Not found')
  }

  async #snapshot(visitor: Visitor): Promise<ActivitySnapshot> {
    return this.#snapshotWith(await this.#listing.all(visitor))
  }

  #sample(): void {
    const now = performance.now()
    this.#process.sample(now)
    this.#sessions.sample(now)
  }

  #snapshotWith(servers: ActivitySnapshot['servers']): ActivitySnapshot {
    const now = performance.now()
    return {
      at: new Date().toISOString(),
      ...this.#activity.counts(),
      sessions: this.#sessions.figures(now),
      servers: servers.map(({ name, title, health }) => ({ name, title, health })),
      process: this.#process.figures(now),
    }
  }
}
