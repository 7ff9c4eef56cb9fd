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

/** Runs the functions from `place` on. Rejects with what `send` does, or with a GatewayError or RpcError of a function. */
export async function runChain(run: ChainRun, params: Json, place: number = 0): Promise<unknown> {
  const { entries, subject, send, check } = run
  const entry = entries[place]
  if (!entry) return send(params)
  const { origin } = subject.exchange
  const message = new LayerMessage(subject, params, entry.place)
  let isOpen = true
  let passed: Promise<unknown> | undefined
  let passedError: unknown
  const next = (given: unknown = params): Promise<unknown> => {
    if (passed) throw new TypeError('next() was called twice: a message is sent once')
    if (!isOpen) throw new TypeError('next() was called after the message had been answered')
    if (!isObject(given)) throw new TypeError(`next() takes an object of parameters, not ${kindOf(given)}`)
    passed = runChain(run, given, place + 1)
    // A function need not await next(): its rejection must not become an unhandled one.
    passed.catch((error: unknown) => (passedError = error))
    return passed
  }
  try {
    const result: unknown = await origin.bind(entry.hook)(message, next as never)
    check(result, entry)
    if (!passed && subject.from === 'client') origin.observed?.decided('intercept', subject.id)
    return result
  } catch (error) {
    if (passed && error === passedError) throw error
    if (subject.from === 'client') origin.observed?.decided('intercept', subject.id)
    throw faultOfHook(error, subject.method, entry)
  } finally {
    isOpen = false
  }
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
