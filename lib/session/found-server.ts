/** Checks the config that a lookup of servers returned. */
import { GatewayError } from '../errors.ts'
import type { ServerConfig } from '../types.ts'
import { isDictionary } from '../util/json.ts'

/** Throws `not_found` for `undefined` and for `null`, which databases return, and a TypeError for other non-objects. */
export function foundServer(answer: ServerConfig | null | undefined): ServerConfig {
  if (answer === undefined || answer === null) throw new GatewayError('not_found', 'Unknown server')
  if (isDictionary(answer)) return answer
  throw new TypeError('"servers" must answer the config of a server, { url }, or undefined where there is none')
}
