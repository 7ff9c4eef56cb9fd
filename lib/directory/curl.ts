/** A request to a server as lines for a POSIX shell. Runs in the browser too, with what a visitor has filled in. */
import { HEADER, JSON_TYPE, LEGACY_VERSIONS, META, MODERN_VERSIONS } from '../protocol.ts'
import type { Era } from '../types.ts'
import type { JsonObject } from '../util/json.ts'
import { callHeaders } from './call-headers.ts'

/** What is asked, and of whom. */
export interface CurlParts {
  readonly url: string
  readonly era: Era
  /** The headers that users configure in their clients, with placeholders. */
  readonly clientHeaders: Readonly<Record<string, string>>
  readonly method: string
  readonly params: JsonObject
  /** The schema of the tool that is called. */
  readonly inputSchema?: unknown
}

const CURL_IDENTITY = { name: 'curl', version: '1' }

/** In the legacy era the request needs a session, which two requests open. */
export function curlLines({ url, era, clientHeaders, method, params, inputSchema }: CurlParts): string {
  if (era === 'modern') {
    const meta = {
      [META.protocolVersion]: MODERN_VERSIONS[0],
      [META.clientInfo]: CURL_IDENTITY,
      [META.clientCapabilities]: {},
    }
    const message = { jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: meta } }
    return curl(url, { ...clientHeaders, ...callHeaders(method, params, inputSchema) }, message)
  }
  const version = LEGACY_VERSIONS.at(-1)!
  const handshake = { protocolVersion: version, capabilities: {}, clientInfo: CURL_IDENTITY }
  const opening = { jsonrpc: '2.0', id: 0, method: 'initialize', params: handshake }
  const open = `${curl(url, clientHeaders, opening)} \\\n  -o /dev/null -D - | grep -i '^${HEADER.sessionId}:' | tr -d '\\r'`
  const headers = { ...clientHeaders, [HEADER.protocolVersion]: version }
  const inSession = (message: object): string => `${curl(url, headers, message)} \\\n  -H "$session"`
  return [
    `session=$(${open})`,
    inSession({ jsonrpc: '2.0', method: 'notifications/initialized' }),
    inSession({ jsonrpc: '2.0', id: 1, method, params }),
  ].join('\n')
}

function curl(url: string, headers: Readonly<Record<string, string>>, message: object): string {
  const all = { 'content-type': JSON_TYPE, accept: `${JSON_TYPE}, text/event-stream`, ...headers }
  const given = Object.entries(all).map(([name, value]) => `  -H ${quoted(`${name}: ${value}`)}`)
  return [`curl -sN ${quoted(url)}`, ...given, `  -d ${quoted(JSON.stringify(message))}`].join(' \\\n')
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}
