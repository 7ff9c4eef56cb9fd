/** The links in the error of a `headers` function that needs the user's own account, and how a client is told of them. */
import { type GatewayError, isCode } from '../../errors.ts'
import { type RequestMessage, responseText } from '../../exchange/message.ts'
import { META, URL_ELICITATION_REQUIRED } from '../../protocol.ts'
import type { Json } from '../../types.ts'
import { isObject, member } from '../../util/json.ts'

/** A link that the user opens to connect an account. (2025-11-25 elicitation, URL Mode) */
export interface ConnectLink {
  readonly elicitationId: string
  readonly url: string
  readonly message: string
}

/** What a `headers` function asks for. */
export interface RequiredConnection {
  readonly links: readonly ConnectLink[]
  /** For people. It has the links in it: many clients show nothing else of an error. */
  readonly message: string
  readonly error: GatewayError
}

/** How many links one error may have. */
const MAX_LINKS_SHOWN = 8

/** The connection that an error asks for; `undefined` for any other error. */
export function requiredBy(error: unknown): RequiredConnection | undefined {
  if (!isCode(error, 'connection_required')) return undefined
  const known = error as GatewayError
  const { error: fault } = JSON.parse(known.toJsonRpc()) as { readonly error: unknown }
  const said = member(member(fault, 'data'), 'elicitations')
  const links = (Array.isArray(said) ? said : []).slice(0, MAX_LINKS_SHOWN).filter(isLink)
  const missing = links.filter(({ url }) => !known.message.includes(url)).map(({ url }) => url)
  return { links, message: [known.message, ...missing].join(' '), error: known }
}

function isLink(said: unknown): said is ConnectLink {
  return isObject(said) && ['elicitationId', 'url', 'message'].every((key) => typeof said[key] === 'string')
}

/** The links as the `elicitations` of an error. (ER12) */
export function elicitationsOf({ links }: RequiredConnection): readonly Json[] {
  return links.map(({ elicitationId, url, message }) => ({ mode: 'url', elicitationId, url, message }))
}

/** The error response to a request, for clients of all revisions. */
export function requiredText(id: RequestMessage['id'], required: RequiredConnection): string {
  const data = { elicitations: elicitationsOf(required) }
  return responseText(id, { error: { code: URL_ELICITATION_REQUIRED, message: required.message, data } })
}

/** The result that asks a client of 2026-07-28 to open the links. Elicitations have no ids in this revision. (ST22) */
export function inputRequiredText(
  id: RequestMessage['id'],
  { links }: RequiredConnection,
  requestState: string,
): string {
  const inputRequests = Object.fromEntries(
    links.map(({ url, message }, index) => [
      `connection_${index + 1}`,
      { method: 'elicitation/create', params: { mode: 'url', url, message } },
    ]),
  )
  return responseText(id, { result: { resultType: 'input_required', inputRequests, requestState } })
}

/** Whether the client of this request says that it opens URLs. (ST22) */
export function opensUrls({ params }: RequestMessage): boolean {
  const capabilities = member(member(params, '_meta'), META.clientCapabilities)
  return isObject(member(member(capabilities, 'elicitation'), 'url'))
}
