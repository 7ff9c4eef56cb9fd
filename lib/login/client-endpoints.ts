/** The endpoints for clients: metadata, keys, tokens and their revocation, to pages of any origin. */
import type { ServerResponse } from 'node:http'
import { GatewayError } from '../errors.ts'
import type { GatewayRequest } from '../types.ts'
import { EngineUnavailable } from './engine.ts'
import type { LoginParts } from './login-parts.ts'
import { metadataOf } from './metadata.ts'
import type { PATHS } from './paths.ts'
import { BadForm, readForm } from '../pages/forms.ts'
import { publicKey } from './signing-keys.ts'

/** Nothing here depends on a cookie, so pages of any origin may use it. */
const OPEN_TO_PAGES: Readonly<Record<string, string>> = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'WWW-Authenticate',
}

const DOCUMENT_AGE_S = 300

export class ClientEndpoints {
  readonly #parts: LoginParts
  readonly #metadata: string
  readonly #keys: string

  constructor(parts: LoginParts) {
    this.#parts = parts
    this.#metadata = JSON.stringify(metadataOf(parts.config))
    this.#keys = JSON.stringify({ keys: parts.config.keys.map(publicKey) })
  }

  metadata(response: ServerResponse): void {
    sendJson(response, 200, this.#metadata, { 'cache-control': `max-age=${DOCUMENT_AGE_S}` })
  }

  keys(response: ServerResponse): void {
    sendJson(response, 200, this.#keys, { 'cache-control': `max-age=${DOCUMENT_AGE_S}` })
  }

  /** The answer to a preflight. */
  permit(response: ServerResponse, methods: string): void {
    response.writeHead(204, {
      ...OPEN_TO_PAGES,
      'access-control-allow-methods': methods,
      'access-control-allow-headers': 'Authorization, Content-Type, MCP-Protocol-Version',
      'access-control-max-age': '86400',
    })
    response.end()
  }

  /** Issues a token, or revokes one. */
  async post(
    path: typeof PATHS.token | typeof PATHS.revoke,
    request: GatewayRequest,
    response: ServerResponse,
  ): Promise<void> {
    try {
      const { status, headers, body } = await this.#parts.engine.post(path, await readForm(request), request)
      const challenge = headers['www-authenticate']
      sendJson(response, status, body, typeof challenge === 'string' ? { 'www-authenticate': challenge } : {})
    } catch (error) {
      if (error instanceof BadForm) return sendError(response, 400, 'invalid_request', error.message)
      if (error instanceof EngineUnavailable || error instanceof GatewayError) {
        return sendError(response, 503, 'temporarily_unavailable', 'Try again later')
      }
      this.#parts.config.report(error, request)
      sendError(response, 500, 'server_error', 'The request failed')
    }
  }
}

function sendError(response: ServerResponse, status: number, error: string, description: string): void {
  const retry: Readonly<Record<string, string>> = status === 503 ? { 'retry-after': '1' } : {}
  sendJson(response, status, JSON.stringify({ error, error_description: description }), retry)
}

function sendJson(
  response: ServerResponse,
  status: number,
  body: string,
  headers: Readonly<Record<string, string>>,
): void {
  response.writeHead(status, {
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...OPEN_TO_PAGES,
    ...headers,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  })
  response.end(body)
}
