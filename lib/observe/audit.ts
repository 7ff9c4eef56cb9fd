/** Calls the embedder's `audit` hook for each record: in order, without waiting, and with a limit of pending calls. */
import { GatewayError } from '../errors.ts'
import type { AuditRecord, Awaitable, ErrorContext, GatewayRequest } from '../types.ts'
import { isPromise } from '../util/awaitable.ts'
import { inHookTime } from '../util/hook-timeout.ts'
import { within } from '../util/timeout.ts'

/** How many calls of the hook may be pending. */
const MAX_PENDING = 10_000

export type AuditHook = (record: AuditRecord) => Awaitable<void>

export type AuditReport = (error: unknown, context: Partial<ErrorContext>) => void

export class Audit {
  readonly #hook: AuditHook
  readonly #report: AuditReport
  readonly #pending = new Set<Promise<void>>()
  /** How many records were dropped since the last one that was passed on. */
  #lost = 0

  constructor(hook: AuditHook, report: AuditReport) {
    this.#hook = hook
    this.#report = report
  }

  /** Calls the hook in the async context of the caller. Never throws. */
  tell(record: AuditRecord, request: GatewayRequest | undefined): void {
    if (this.#pending.size >= MAX_PENDING) return this.#lose()
    if (this.#lost > 0) this.#reportLost(record.server)
    const failed = (error: unknown): void => {
      const { server, principal } = record
      this.#report(error, { server, principal, request })
    }
    try {
      const answer = inHookTime(this.#hook(record), '"audit"')
      if (isPromise(answer)) this.#wait(answer.then(undefined, failed))
    } catch (error) {
      failed(error)
    }
  }

  /** Resolves when all pending calls have settled, at the latest at the deadline. */
  async close(deadline: number): Promise<void> {
    await within(deadline, Promise.all(this.#pending))
    if (this.#lost > 0) this.#reportLost(undefined)
  }

  #wait(writing: Promise<void>): void {
    this.#pending.add(writing)
    void writing.finally(() => this.#pending.delete(writing))
  }

  /** Reports the first dropped record at once, and their number when the hook accepts records again. */
  #lose(): void {
    this.#lost += 1
    if (this.#lost === 1) this.#report(lost('from now on'), {})
  }

  #reportLost(server: string | undefined): void {
    const count = this.#lost
    this.#lost = 0
    this.#report(lost(`${count} so far`), { server })
  }
}

function lost(howMany: string): GatewayError {
  const message = `Audit records are lost, ${howMany}: ${MAX_PENDING} are being written`
  return new GatewayError('unavailable', message)
}
