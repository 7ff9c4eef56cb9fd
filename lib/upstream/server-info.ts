/** Checks what the config of every kind of server says for people: title, description, version and tags. */
import { isObject } from '../util/json.ts'
import { inspect } from '../util/option-checks.ts'

/** Throws a TypeError that names the fault. */
export function checkServerInfo(server: string, config: unknown): void {
  if (!isObject(config)) return
  const fault = (what: string): TypeError => new TypeError(`Server ${inspect(server)}: ${what}`)
  for (const key of ['title', 'description', 'version']) {
    const text = config[key]
    if (text === undefined || typeof text === 'string') continue
    throw fault(`"${key}" must be a text, or be left out, not ${inspect(text)}`)
  }
  const { tags = [] } = config
  if (Array.isArray(tags) && tags.every((tag) => typeof tag === 'string')) return
  throw fault(`"tags" must be an array of texts, not ${inspect(tags)}`)
}
