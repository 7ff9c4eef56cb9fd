/** Runs a message through the functions of a chain, each around the next one, and holds them to what they are told. */
import { GatewayError } from '../../errors.ts'
import { RpcError } from '../../rpc-error.ts'
import type { Json } from '../../types.ts'
import { isObject, kindOf, member } from '../../util/json.ts'
import type { ChainEntry } from './interceptor-set.ts'
import { LayerMessage, type ChainSubject } from './layer-message.ts'

/** What a chain is run for. */
export interface ChainRun {
  readonly entries: readonly ChainEntry[]
  readonly subject: ChainSubject
  /** Behind the last function; the result, or nothing where no answer can be had here. */
  readonly send: (params: Json) => Promise<unknown>
  /** What an answer must be; throws. */
  readonly check: (result: unknown, entry: ChainEntry) => void
}

/** Why an interceptor's error is no answer: what it threw is the cause. */
export class InterceptorError extends Error {
  override readonly name = 'InterceptorError'
}

/** The outcome of the functions from a place on. Rejects with whatever one of them throws. */
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
    // A function that does not wait for it leaves no unhandled rejection.
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

/** What a function throws on purpose stays; anything else is its embedder's fault, of which a client learns nothing. */
function faultOfHook(error: unknown, method: string, { key }: ChainEntry): Error {
  if (error instanceof GatewayError || error instanceof RpcError) return error
  const where = key === method ? JSON.stringify(key) : `${JSON.stringify(key)} of ${method}`
  const cause = new InterceptorError(`The interceptor ${where} threw`, { cause: error })
  return new GatewayError('internal', 'Internal error', { cause })
}

/** The list that a result must have, by method. */
const LIST_OF: ReadonlyMap<string, string> = new Map([
  ['tools/list', 'tools'],
  ['prompts/list', 'prompts'],
  ['resources/list', 'resources'],
  ['resources/templates/list', 'resourceTemplates'],
])

/** Throws a TypeError for what is no result of a client's request. `own` is the server's own result, which may be anything. */
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
