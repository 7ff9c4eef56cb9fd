/** Runs a message through a chain of interceptor functions, each around the next one; enforces the rules of `next()`. */
import { GatewayError } from '../../errors.ts'
import { RpcError } from '../../rpc-error.ts'
import type { Json } from '../../types.ts'
import { isObject, kindOf, member } from '../../util/json.ts'
import type { ChainEntry } from './interceptor-set.ts'
import { LayerMessage, type ChainSubject } from './layer-message.ts'

/** A message and how to send it on. */
export interface ChainRun {
  readonly entries: readonly ChainEntry[]
  readonly subject: ChainSubject
  /** Called by the last `next()`. Resolves with the result, or with `undefined` for a message that has none here. */
  readonly send: (params: Json) => Promise<unknown>
  /** Throws for a return value that cannot be the result of the message. */
  readonly check: (result: unknown, entry: ChainEntry) => void
}

/** The `cause` of the error that a client gets when an interceptor fails; its own `cause` is what was thrown. */
export class InterceptorError extends Error {
  override readonly name = 'InterceptorError'
}

/**
 * Runs the functions from `place` on. Rejects with what `send` does, or with a GatewayError or RpcError of a function. It
 * makes one promise per function, because in an app with async hooks, such as telemetry, each one is costly.
 */
export function runChain(run: ChainRun, params: Json, place: number = 0): Promise<unknown> {
  const entry = run.entries[place]
  return entry ? new ChainStep(run, entry, params, place).result() : run.send(params)
}

/** One function of a chain, with the message that it was called with. */
class ChainStep {
  readonly #run: ChainRun
  readonly #entry: ChainEntry
  readonly #params: Json
  readonly #place: number
  #isOpen = true
  /** Whether the function has not returned yet, so that it may still return the very promise of `next()`. */
  #isCalling = true
  #passed: Promise<unknown> | undefined
  #passedError: unknown

  constructor(run: ChainRun, entry: ChainEntry, params: Json, place: number) {
    this.#run = run
    this.#entry = entry
    this.#params = params
    this.#place = place
  }

  result(): Promise<unknown> {
    const answer = this.#call()
    this.#isCalling = false
    if (answer !== this.#passed) this.#handleRejection()
    return answer.then(
      (result) => this.#accept(result),
      (error: unknown) => this.#refuse(error, answer === this.#passed),
    )
  }

  #call(): Promise<unknown> {
    const { subject } = this.#run
    const message = new LayerMessage(subject, this.#params, this.#entry.place)
    const next = (given: unknown = this.#params): Promise<unknown> => this.#next(given)
    try {
      return Promise.resolve<unknown>(subject.exchange.origin.bind(this.#entry.hook)(message, next as never))
    } catch (error) {
      return rejection(error)
    }
  }

  #next(given: unknown): Promise<unknown> {
    if (this.#passed) throw new TypeError('next() was called twice: a message is sent once')
    if (!this.#isOpen) throw new TypeError('next() was called after the message had been answered')
    if (!isObject(given)) throw new TypeError(`next() takes an object of parameters, not ${kindOf(given)}`)
    this.#passed = runChain(this.#run, given, this.#place + 1)
    if (!this.#isCalling) this.#handleRejection()
    return this.#passed
  }

  /** A function need not await next(): its rejection must not become an unhandled one. */
  #handleRejection(): void {
    this.#passed?.catch((error: unknown) => (this.#passedError = error))
  }

  #accept(result: unknown): unknown {
    const { subject, check } = this.#run
    try {
      check(result, this.#entry)
    } catch (error) {
      return this.#refuse(error, false)
    }
    this.#isOpen = false
    if (!this.#passed && subject.from === 'client') subject.exchange.origin.observed?.decided('intercept', subject.id)
    return result
  }

  #refuse(error: unknown, isPassed: boolean): never {
    this.#isOpen = false
    if (isPassed || (this.#passed && error === this.#passedError)) throw error
    const { subject } = this.#run
    if (subject.from === 'client') subject.exchange.origin.observed?.decided('intercept', subject.id)
    throw faultOfHook(error, subject.method, this.#entry)
  }
}

async function rejection(error: unknown): Promise<never> {
  throw error
}

/** The two public error types are an embedder's answer. Any other error is a fault, which a client must not see. */
function faultOfHook(error: unknown, method: string, { key }: ChainEntry): Error {
  if (error instanceof GatewayError || error instanceof RpcError) return error
  const where = key === method ? JSON.stringify(key) : `${JSON.stringify(key)} of ${method}`
  const cause = new InterceptorError(`The interceptor ${where} threw`, { cause: error })
  return new GatewayError('internal', 'Internal error', { cause })
}

/** The array that the result of a list method must have. */
const LIST_OF: ReadonlyMap<string, string> = new Map([
  ['tools/list', 'tools'],
  ['prompts/list', 'prompts'],
  ['resources/list', 'resources'],
  ['resources/templates/list', 'resourceTemplates'],
])

/** Throws a TypeError for an invalid result. `own`, the server's result, is relayed unchecked when it was not changed. */
export function checkResult(method: string, own: unknown, result: unknown): void {
  if (result === own && result !== undefined) return
  if (!isObject(result)) {
    throw new TypeError(`It answered ${kindOf(result)}: return what next() resolves to, or a result of your own`)
  }
  const list = LIST_OF.get(method)
  if (list !== undefined && !Array.isArray(member(result, list))) {
    throw new TypeError(`It answered ${method} without an array "${list}"`)
  }
  if (method !== 'initialize') return
  if (isObject(own) && member(result, 'protocolVersion') !== member(own, 'protocolVersion')) {
    throw new TypeError('It changed "protocolVersion", which server and client have agreed upon')
  }
}
