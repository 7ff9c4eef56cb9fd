/** Sends input requests to a legacy client as JSON-RPC requests, and makes `inputResponses` of its results. (ST22, ST23) */
import { randomUUID } from 'node:crypto'
import { GatewayError } from '../../../errors.ts'
import { patchObject } from '../../../exchange/json-patch.ts'
import { valueText } from '../../../exchange/json-text.ts'
import type { ResponseMessage } from '../../../exchange/message.ts'
import { isObject, type JsonObject, member } from '../../../util/json.ts'
import type { Round } from './modern-request.ts'
import { type Asking, CannotAsk, type Questions } from './questions.ts'
import { QUESTION_KINDS, type QuestionKind } from '../tables.ts'

/** How many input requests one result may have. */
const MAX_ASKED = 32

/** One input request of a server. */
interface InputRequest {
  readonly key: string
  readonly kind: QuestionKind
  /** Makes the JSON-RPC request to the client. */
  readonly textOf: (id: string) => string
}

/** The text of `requestState`, byte for byte; `undefined` where it is absent, not where it is empty. */
export function requestStateIn({ text }: ResponseMessage): string | undefined {
  return valueText(text, ['result', 'requestState'])
}

/** The input requests of a result. Throws CannotAsk for one that this client does not support. */
export function inputRequestsIn(response: ResponseMessage, { exchange }: Pick<Asking, 'exchange'>): InputRequest[] {
  const given = member(response.result, 'inputRequests')
  if (given !== undefined && !isObject(given)) throw new CannotAsk('The server asks what is no question')
  const keys = Object.keys(given ?? {})
  if (keys.length > MAX_ASKED) throw new CannotAsk('The server asks too many questions at a time')
  const { accepts, session } = exchange.origin
  if (keys.length > 0 && !(accepts.events && session)) {
    throw new CannotAsk('The server asks a question, which needs an event stream')
  }
  const { protocolVersion, client } = exchange.state!
  const capabilities = client!.handshake['capabilities'] as JsonObject
  return keys.map((key) => {
    const asked = member(given, key)
    const [method, params] = [member(asked, 'method'), member(asked, 'params')]
    const kind = QUESTION_KINDS.get(method)
    if (!kind || protocolVersion < kind.since || !kind.isDeclared(capabilities, params)) {
      throw new CannotAsk(`The server asks for ${String(method)}, which the client has not declared`)
    }
    if (member(params, 'mode') === 'url' && protocolVersion < '2025-11-25') {
      throw new CannotAsk('The server asks for a URL to be opened, which this revision has not')
    }
    const said = isObject(params) ? valueText(response.text, ['result', 'inputRequests', key, 'params']) : undefined
    const own = said === undefined ? undefined : legacyParams(said, params as JsonObject, protocolVersion)
    const words = `"method":${JSON.stringify(method)}${own === undefined ? '' : `,"params":${own}`}`
    return { key, kind, textOf: (id) => `{"jsonrpc":"2.0","id":${JSON.stringify(id)},${words}}` }
  })
}

/** Sends all requests at once, and waits for all results. Throws CannotAsk when an error of the client ends the call. */
export async function askClient(
  requests: readonly InputRequest[],
  asking: Asking,
  questions: Questions,
): Promise<Round['inputResponses']> {
  const life = asking.life.child()
  try {
    const answers = requests.map(async ({ key, kind, textOf }) => {
      const { result, error, text } = await questions.ask({ ...asking, life }, textOf)
      if (error === undefined && isObject(result)) return `${JSON.stringify(key)}:${valueText(text, ['result'])}`
      if (kind.refusal) return `${JSON.stringify(key)}:${JSON.stringify(kind.refusal)}`
      throw new CannotAsk(`The client did not answer: ${error?.message ?? 'it sent no result'}`)
    })
    return `{${(await Promise.all(answers)).join(',')}}`
  } catch (error) {
    life.stop(new GatewayError('bad_request', 'The request it belongs to is over'))
    throw error
  } finally {
    life.end()
  }
}

/** `mode` and `elicitationId` exist since 2025-11-25. The id is required there, although no completion will follow. */
function legacyParams(text: string, { mode }: JsonObject, version: string): string {
  if (version < '2025-11-25') return patchObject(text, { mode: undefined })
  return mode === 'url' ? patchObject(text, { elicitationId: randomUUID() }) : text
}
