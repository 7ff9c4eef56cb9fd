/** Requests that wait in order for a session at a server, one list for each principal. */
import { GatewayError } from '../../../errors.ts'
import type { Exchange } from '../../../exchange/exchange.ts'
import type { Handle } from '../../../exchange/reply.ts'
import type { Envelope } from './legacy-request.ts'
import type { PooledSession } from './pooled-session.ts'

/** The sessions of a principal at a server, which are counted together. */
export interface SessionAccount {
  readonly key: string
  /** Oldest first. */
  readonly sessions: PooledSession[]
  /** How many sessions are open, being opened, or handed over. */
  places: number
  readonly waiting: Waiter[]
  /** The sessions that are being opened, by group: requests that share one wait for it. */
  readonly opening: Map<string, Promise<PooledSession>>
}

/** What a request wants. */
export interface Want {
  readonly exchange: Exchange
  readonly next: Handle
  readonly envelope: Envelope
  /** Names the sessions that would do. */
  readonly group: string
  /** Whether it needs a session to itself. */
  readonly isExclusive: boolean
  /** The most sessions of the account. */
  readonly limit: number
}

/** What it gets: a session, or one that is being opened. */
export type SessionGrant = { readonly session: PooledSession | Promise<PooledSession> }

interface Waiter {
  readonly want: Want
  take(grant: SessionGrant): void
  fail(error: GatewayError): void
}

export class WaitingList {
  readonly #responseMs: number
  readonly #grant: (account: SessionAccount, want: Want) => SessionGrant | undefined

  /** `grant` returns `undefined` while there is nothing to give. */
  constructor(responseMs: number, grant: (account: SessionAccount, want: Want) => SessionGrant | undefined) {
    this.#responseMs = responseMs
    this.#grant = grant
  }

  /** What a request gets, at once or in its turn. Rejects with `too_many_requests` after `responseMs`. */
  async grantOf(account: SessionAccount, want: Want): Promise<SessionGrant> {
    const isFirst = account.waiting.length === 0
    return (isFirst ? this.#grant(account, want) : undefined) ?? this.#wait(account, want)
  }

  /** Serves those who wait, in order, for as long as there is something to give. */
  serve(account: SessionAccount): void {
    for (let first = account.waiting[0]; first; first = account.waiting[0]) {
      const grant = this.#grant(account, first.want)
      if (grant === undefined) return
      first.take(grant)
    }
  }

  /** Rejects all who wait. */
  refuse({ waiting }: SessionAccount, reason: GatewayError): void {
    for (let last = waiting.at(-1); last; last = waiting.at(-1)) last.fail(reason)
  }

  #wait(account: SessionAccount, want: Want): Promise<SessionGrant> {
    const { waiting } = account
    return new Promise((resolve, reject) => {
      const offs: (() => void)[] = []
      const over = (): void => {
        for (const off of offs) off()
        const at = waiting.indexOf(waiter)
        if (at !== -1) waiting.splice(at, 1)
      }
      const fail = (error: GatewayError): void => {
        over()
        reject(error)
      }
      const waiter: Waiter = {
        want,
        fail,
        take(grant) {
          over()
          resolve(grant)
        },
      }
      waiting.push(waiter)
      const leave = (error: GatewayError): void => {
        fail(error)
        this.serve(account)
      }
      const late = (): void => leave(noSession())
      const timer = this.#responseMs > 0 ? setTimeout(late, this.#responseMs).unref() : undefined
      offs.push(() => clearTimeout(timer))
      offs.push(want.exchange.life.onStop(leave))
    })
  }
}

function noSession(): GatewayError {
  return new GatewayError('too_many_requests', 'Too many calls are in progress at the server')
}
