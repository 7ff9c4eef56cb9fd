/** Runs the input requests of an `input_required` result through their interceptors. (2026-07-28 MRTR) */
import { GatewayError } from '../../errors.ts'
import { patchObject } from '../../exchange/json-patch.ts'
import type { ResponseMessage } from '../../exchange/message.ts'
import { RpcError } from '../../rpc-error.ts'
import type { GatewayOptions, Json } from '../../types.ts'
import { isObject, type JsonObject, member, parseJson } from '../../util/json.ts'
import { SealingKeys } from '../../util/sealing-keys.ts'
import { isSoundResponse, NO_PARAMS } from './frozen.ts'
import { QUESTIONS } from './interceptor-set.ts'
import { type Decision, decide, type ServerMessageParts, unshowable } from './decide.ts'

/** How often a request is retried because interceptors answered all of its input requests. */
const MAX_ROUNDS = 10

/** How long sealed answers are valid, in milliseconds. */
const KEPT_MS = 60 * 60_000

/** The purpose of the keys that seal answers. */
const ANSWERS_PURPOSE = 'express-mcp-gateway answers of interceptors'

const INPUT_REQUIRED = 'input_required'

const STATE_PREFIX = 'mcpgw.'

/** What a sealed `requestState` holds until the client retries with its own answers. */
interface SealedAnswers {
  readonly answers: JsonObject
  /** The server's own `requestState`. */
  readonly state: string | undefined
  readonly until: number
}

/**
 * Encrypts interceptors' answers into the `requestState` of the client's retry, so that the gateway keeps no state. The
 * interceptors of the gateway and those of a server share one: the former see what the latter have sealed.
 */
export class KeptAnswers {
  readonly #keys: SealingKeys

  /** Without `keys` a retry at another node fails with -32602. */
  constructor(keys?: GatewayOptions['keys']) {
    this.#keys =
      keys === undefined ? SealingKeys.random(ANSWERS_PURPOSE) : new SealingKeys('"keys"', keys, ANSWERS_PURPOSE)
  }

  seal(kept: Omit<SealedAnswers, 'until'>, bound: string): string {
    return STATE_PREFIX + this.#keys.seal(JSON.stringify({ ...kept, until: Date.now() + KEPT_MS }), bound)
  }

  /** Replaces the sealed state by the server's own, and adds the sealed answers to the client's. Throws -32602. */
  restore(params: Json, bound: string): Json {
    const said = member(params, 'requestState')
    if (typeof said !== 'string' || !said.startsWith(STATE_PREFIX)) return params
    const { answers, state } = this.#open(said.slice(STATE_PREFIX.length), bound)
    const { requestState: _, ...others } = params
    const given = member(params, 'inputResponses')
    const inputResponses = { ...(isObject(given) ? given : {}), ...answers }
    return { ...others, inputResponses, ...(state !== undefined && { requestState: state }) }
  }

  #open(sealed: string, bound: string): SealedAnswers {
    const text = this.#keys.open(sealed, bound)
    const kept = text === undefined ? undefined : (JSON.parse(text) as SealedAnswers)
    if (kept && kept.until > Date.now()) return kept
    throw new RpcError(-32602, '"requestState" is not valid here any more: send the request again without it')
  }
}

/** Retries the request with these parameters. */
type AskAgain = (params: Json) => Promise<ResponseMessage | undefined>

/**
 * Resolves with the response for the client. When interceptors answered all input requests, the request is retried at
 * once; when they answered some, the client gets the others, with the answers sealed in `requestState`.
 */
export async function screenQuestions(
  first: ResponseMessage,
  params: Json,
  parts: ServerMessageParts & { readonly kept: KeptAnswers; readonly bound: string },
  askAgain: AskAgain,
): Promise<ResponseMessage> {
  let response = first
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const asked = questionsOf(response)
    if (!asked) return response
    const decisions = await decideAll(asked, parts)
    const answers = Object.fromEntries(
      decisions.flatMap(([key, said]) => ('result' in said ? [[key, said.result]] : [])),
    )
    const left = decisions.filter(([, said]) => 'params' in said)
    const isRetried = member(response.result, 'resultType') === INPUT_REQUIRED
    // The answers to a task's input requests are another request, which only the client sends. (SEP-2663)
    if (!isRetried && decisions.some(([key, said]) => !isPassed(said, asked[key]))) throw notAsked()
    const state = member(response.result, 'requestState') as string | undefined
    if (left.length > 0)
      return withQuestions(
        response,
        asked,
        left,
        Object.keys(answers).length > 0 ? parts.kept.seal({ answers, state }, parts.bound) : undefined,
      )
    const { requestState: _, inputResponses: __, ...others } = params
    const again = await askAgain({
      ...others,
      inputResponses: answers,
      ...(state !== undefined && { requestState: state }),
    })
    if (!again || !isSoundResponse(again)) break
    response = again
  }
  throw new GatewayError('upstream_invalid', 'The server did not answer what was answered in its client’s place')
}

/** Whether the input requests in a notification about a task, if there are any, all pass unchanged. (SEP-2663) */
export async function passesQuestions(task: Json, parts: ServerMessageParts): Promise<boolean> {
  const asked = member(task, 'inputRequests')
  if (asked === undefined) return true
  if (!isObject(asked)) return false
  const decisions = await decideAll(asked, parts)
  return decisions.every(([key, said]) => isPassed(said, asked[key]))
}

function isPassed(said: Decision, question: unknown): boolean {
  return 'params' in said && (said.params === member(question, 'params') || said.params === NO_PARAMS)
}

/** The input requests of a result, or of the task in it, by key; `undefined` where it has none. */
function questionsOf({ result }: ResponseMessage): JsonObject | undefined {
  const asked = member(result, 'inputRequests')
  if (asked === undefined) return undefined
  if (!isObject(asked)) throw unshowable()
  return Object.keys(asked).length > 0 ? asked : undefined
}

function notAsked(): GatewayError {
  return new GatewayError('forbidden', 'The server asks something that it may not ask here')
}

/** Rejects when an interceptor refuses an input request: the call fails, since the gateway invents no answers. */
async function decideAll(asked: JsonObject, parts: ServerMessageParts): Promise<(readonly [string, Decision])[]> {
  const decisions: (readonly [string, Decision])[] = []
  for (const [key, question] of Object.entries(asked)) {
    const method = member(question, 'method')
    const params = member(question, 'params') ?? NO_PARAMS
    if (typeof method !== 'string' || !QUESTIONS.includes(method) || !isObject(params)) {
      throw unshowable()
    }
    decisions.push([key, await decide(method, undefined, params, parts)])
  }
  return decisions
}

function withQuestions(
  response: ResponseMessage,
  asked: JsonObject,
  left: readonly (readonly [string, Decision])[],
  requestState: string | undefined,
): ResponseMessage {
  const isSame =
    requestState === undefined &&
    left.every(([key, said]) => 'params' in said && said.params === member(asked[key], 'params'))
  if (isSame) return response
  const inputRequests = Object.fromEntries(
    left.map(([key, said]) => [
      key,
      'params' in said ? { ...(asked[key] as JsonObject), params: said.params } : asked[key],
    ]),
  )
  const result = {
    ...(response.result as JsonObject),
    inputRequests,
    ...(requestState !== undefined && { requestState }),
  }
  const text = patchObject(response.text, { result }, response as unknown as JsonObject)
  const parsed = parseJson(text) as { readonly result: unknown }
  const { result: frozen } = parsed
  return { ...response, text, result: frozen }
}
