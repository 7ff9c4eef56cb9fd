/** Responses: pages with a strict content security policy, and JSON documents with an `ETag`. */
import { createHash, randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { SendWhole } from '../exchange/gateway-internals.ts'
import type { GatewayRequest } from '../types.ts'
import type { Html } from '../pages/html.ts'

/** Whether shared caches and pages of any origin may have a document. */
export type Audience = 'private' | 'public'

/** The headers of public cards. (experimental-ext-server-card, docs/discovery.md, CORS and Caching) */
const PUBLIC_HEADERS: Readonly<Record<string, string>> = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET',
  'access-control-allow-headers': 'Content-Type, If-None-Match',
  'access-control-expose-headers': 'ETag',
  'cache-control': 'public, max-age=3600',
}

const PRIVATE_HEADERS: Readonly<Record<string, string>> = { 'cache-control': 'private, no-cache' }

/** Sends a document as JSON, or 304 when `If-None-Match` has its tag. */
export function sendDocument(
  send: SendWhole,
  request: GatewayRequest,
  response: ServerResponse,
  document: object,
  { type, audience }: { readonly type: string; readonly audience: Audience },
): void {
  const body = Buffer.from(`${JSON.stringify(document, null, 2)}\n`)
  const tag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"`
  const headers = { ...(audience === 'public' ? PUBLIC_HEADERS : PRIVATE_HEADERS), ...SAFE_HEADERS, etag: tag }
  response.appendHeader('vary', 'Accept')
  if (hasTag(request.headers['if-none-match'], tag)) {
    return send(response, 304, headers)
  }
  send(response, 200, { ...headers, 'content-type': type, 'content-length': body.length }, body)
}

/** Answers the CORS preflight for a public document. */
export function sendPermission(send: SendWhole, response: ServerResponse): void {
  send(response, 204, PUBLIC_HEADERS)
}

/** Renders a page with a fresh nonce, and sends it. */
export function sendPage(
  send: SendWhole,
  response: ServerResponse,
  page: (nonce: string) => Html,
  {
    status = 200,
    headers = {},
  }: { readonly status?: number; readonly headers?: Readonly<Record<string, string>> } = {},
): void {
  const nonce = randomBytes(18).toString('base64url')
  const body = Buffer.from(page(nonce).text)
  response.appendHeader('vary', 'Accept')
  const all = {
    'cache-control': 'private, no-store',
    ...headers,
    ...SAFE_HEADERS,
    // With `no-referrer` the origin of its own forms would be `null`.
    'referrer-policy': 'same-origin',
    'content-security-policy': policy(nonce),
    'content-type': 'text/html; charset=utf-8',
    'content-length': body.length,
    'x-frame-options': 'DENY',
  }
  send(response, status, all, body)
}

/** Sends the script of the pages. It holds no data, and its address changes with it. */
export function sendScript(send: SendWhole, response: ServerResponse, script: Buffer): void {
  const headers = {
    ...SAFE_HEADERS,
    'cache-control': 'public, max-age=31536000, immutable',
    'content-type': 'text/javascript; charset=utf-8',
    'content-length': script.length,
    'cross-origin-resource-policy': 'same-origin',
  }
  send(response, 200, headers, script)
}

const SAFE_HEADERS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
}

/** Pictures of servers are drawn on a canvas; `data:` is for the icon of the page alone. */
function policy(nonce: string): string {
  return [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src 'nonce-${nonce}'`,
    "connect-src 'self'",
    'img-src data:',
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; ')
}

/** Weak comparison: a proxy that compresses the document may make the tag weak. (RFC 9110, 13.1.2) */
function hasTag(given: string | undefined, tag: string): boolean {
  if (given === undefined) return false
  return given.trim() === '*' || given.split(',').some((one) => one.trim().replace(/^W\//, '') === tag)
}
