/** Requests of a legacy server to its client, as input requests of 2026-07-28. (ST22) */
import { patchObject } from '../../../exchange/json-patch.ts'
import { valueText } from '../../../exchange/json-text.ts'
import type { Fault, RequestMessage } from '../../../exchange/message.ts'
import type { RequestId } from '../../../types.ts'
import { isObject, type JsonObject } from '../../../util/json.ts'
import { QUESTION_KINDS, RPC_ERROR } from '../tables.ts'

/** A request of the server that waits for the client's response. Plain JSON: it may travel in a `requestState`. */
export interface ServerQuestion {
  /** Its key in `inputRequests`, which the gateway chooses: legacy requests have none. */
  readonly key: string
  /** The id that the server gave it. */
  readonly id: RequestId
  readonly method: string
  /** The parameters as JSON text. */
  readonly params?: string
}

/** Why a server's request is refused in place of the client. */
export const NOT_ASKED: Readonly<Record<'notDeclared' | 'notNow' | 'tooMuch', Fault>> = {
  notDeclared: { code: RPC_ERROR.methodNotFound, message: 'The client has not declared this' },
  notNow: { code: RPC_ERROR.methodNotFound, message: 'The client cannot be asked now' },
  tooMuch: { code: RPC_ERROR.internalError, message: 'Too much is asked at a time' },
}

/** The first part of the keys, by method. */
const KEYS: Readonly<Record<string, string>> = {
  'elicitation/create': 'elicitation',
  'sampling/createMessage': 'sampling',
  'roots/list': 'roots',
}

/** The question in a request of the server; `undefined` if the client has not declared that it can be asked this. */
export function questionOf(
  { id, method, params, text }: RequestMessage,
  capabilities: JsonObject,
  number: number,
): ServerQuestion | undefined {
  if (!QUESTION_KINDS.get(method)?.isDeclared(capabilities, params)) return undefined
  const said = isObject(params) ? valueText(text, ['params']) : undefined
  return {
    key: `${KEYS[method]}_${number}`,
    id,
    method,
    ...(said !== undefined && { params: modernParams(said, params!) }),
  }
}

/** The id of an elicitation, the task it might run as, and the session's own `_meta` have no meaning any more. */
function modernParams(text: string, { elicitationId, task, _meta }: JsonObject): string {
  if (elicitationId === undefined && task === undefined && _meta === undefined) return text
  return patchObject(text, { elicitationId: undefined, task: undefined, _meta: undefined })
}

/** How many questions of a call may be open, and how many bytes they may have. */
const MAX_OPEN_QUESTIONS = 32
const MAX_QUESTIONS_BYTES = 1024 * 1024

/** The approximate memory of a question besides its parameters. */
const QUESTION_BYTES = 200

/** The questions of a call that wait for their answers. */
export class CallQuestions {
  readonly #open = new Map<RequestId, ServerQuestion>()
  #bytes = 0

  get all(): readonly ServerQuestion[] {
    return [...this.#open.values()]
  }

  get size(): number {
    return this.#open.size
  }

  get bytes(): number {
    return this.#bytes
  }

  has(id: RequestId): boolean {
    return this.#open.has(id)
  }

  /** Adds a question; returns `false` when that would be too much. */
  add(question: ServerQuestion): boolean {
    const bytes = this.#bytes + bytesOfQuestion(question)
    if (this.#open.size >= MAX_OPEN_QUESTIONS || bytes > MAX_QUESTIONS_BYTES) return false
    this.#open.set(question.id, question)
    this.#bytes = bytes
    return true
  }

  delete(id: RequestId): void {
    const question = this.#open.get(id)
    if (question && this.#open.delete(id)) this.#bytes -= bytesOfQuestion(question)
  }
}

function bytesOfQuestion({ params = '' }: ServerQuestion): number {
  return QUESTION_BYTES + 2 * params.length
}
