/** Reads the requests of browsers and clients: their path, parameters and form, and whether a form is of our own page. */
import type { GatewayRequest } from '../types.ts'

/** The parameters of a query or a form, in order, with those that are repeated. */
export type ParameterList = readonly (readonly [name: string, value: string])[]

/** The largest form, in bytes: a sealed authorization request has a few thousand, an assertion of a client too. */
const MAX_FORM_BYTES = 64 * 1024

/** A form that cannot be read. */
export class BadForm extends Error {
  override readonly name = 'BadForm'
}

/** The path of a request from the root of the origin, and its query without the question mark. */
export function splitUrl({ originalUrl, url = '/' }: GatewayRequest): readonly [path: string, query: string] {
  const whole = originalUrl ?? url
  const at = whole.indexOf('?')
  return at === -1 ? [whole, ''] : [whole.slice(0, at), whole.slice(at + 1)]
}

export function parameterList(query: string): ParameterList {
  return [...new URLSearchParams(query)]
}

/** The only value of a parameter. */
export function parameterOf(parameters: ParameterList, name: string): string | undefined {
  const values = parameters.filter(([each]) => each === name)
  return values.length === 1 ? values[0]![1] : undefined
}

/**
 * The form in the body, also where a parser of the app was faster.
 *
 * @throws {BadForm}
 */
export async function readForm(request: GatewayRequest): Promise<ParameterList> {
  const type = request.headers['content-type'] ?? ''
  if (!/^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(type)) throw new BadForm('The body must be a form')
  return request.body === undefined || !request.readableEnded
    ? parameterList(await readText(request))
    : parsedForm(request.body)
}

async function readText(request: GatewayRequest): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length
    if (bytes > MAX_FORM_BYTES) throw new BadForm('The form is too large')
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString()
}

function parsedForm(body: unknown): ParameterList {
  if (typeof body === 'string' || Buffer.isBuffer(body)) return parameterList(String(body))
  if (typeof body !== 'object' || body === null) throw new BadForm('The form was read by another parser')
  return Object.entries(body).flatMap(([name, value]: [string, unknown]) =>
    [value].flat().map((each): readonly [string, string] => {
      if (typeof each !== 'string') throw new BadForm('The form was read by a parser of nested objects')
      return [name, each]
    }),
  )
}

/**
 * Whether a form may have been sent by a page of this origin. Pages with `Referrer-Policy: no-referrer` send `Origin:
 * null`, so the origin alone decides nothing for browsers that tell the site. What a form holds decides the rest.
 */
export function isOfOwnPage({ headers }: GatewayRequest, origin: string): boolean {
  const site = headers['sec-fetch-site']
  if (site !== undefined) return site === 'same-origin'
  return headers.origin === undefined || headers.origin === 'null' || headers.origin === origin
}

/** Whether a person opened a page by themselves, or from a page of this origin, as far as the browser tells. */
export function isOfNoOtherSite({ headers }: GatewayRequest): boolean {
  const site = headers['sec-fetch-site']
  return site === 'none' || site === 'same-origin'
}
