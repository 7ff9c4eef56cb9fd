/** What a lookup of servers answered -> the config of the server. */
import { GatewayError } from '../errors.ts'
import type { ServerConfig } from '../types.ts'
import { isDictionary } from '../util/json.ts'

/** Throws `not_found` for none, as databases say it too, and a TypeError for what no lookup may answer. */
export function foundServer(answer: ServerConfig | null | undefined): ServerConfig {
  if (answer === undefined || answer === null) throw new GatewayError('not_found', 'Unknown server')
  if (isDictionary(answer)) return answer
  throw new TypeError('"servers" must answer the config of a server, { url }, or undefined where there is none')
}
