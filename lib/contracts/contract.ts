/** A contract: named requirements, each of them a test. */
import type { Awaitable } from '../types.ts'

/** One requirement of a contract, to be run by any test runner. */
export interface ContractTest {
  /** The same requirement has the same id in every release. */
  readonly id: string
  /** A sentence that begins with MUST or SHOULD. */
  readonly name: `${'MUST' | 'SHOULD'} ${string}`
  /** Rejects with an AssertionError when the requirement is violated. */
  readonly fn: () => Promise<void>
}

export type RequirementOf<T> = readonly [id: string, name: ContractTest['name'], check: (tested: T) => Promise<void>]

/** Throws a TypeError for a factory without `create`: its tests would fail one by one, without a cure. */
export function checkFactory(contract: string, factory: { readonly create: unknown }): void {
  if (typeof (factory as Partial<typeof factory> | undefined)?.create === 'function') return
  throw new TypeError(`${contract} takes an object: ${contract}({ create: () => new MyStore() })`)
}

/** Each test creates what it tests, and closes it. */
export function contractOf<T extends { close?(): Awaitable<void> }>(
  requirements: readonly RequirementOf<T>[],
  create: () => Awaitable<T>,
): ContractTest[] {
  return requirements.map(([id, name, check]) => ({
    id,
    name,
    async fn() {
      const tested = await create()
      try {
        await check(tested)
      } finally {
        await tested.close?.()
      }
    },
  }))
}

export async function sleep(ms: number): Promise<void> {
  await new Promise((resolve) => void setTimeout(resolve, ms))
}
