// @ts-check
// The servers of an `mcpServers` file, as they are now: the file is watched. What has a `url` is served; what has a
// `command` is started only as far as the code says so.
import { EventEmitter, once } from 'node:events'
import { watch } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'

/**
 * @typedef {import('express-mcp-gateway').ServerConfig} ServerConfig
 * @typedef {{ command: string, args?: string[], env?: Record<string, string>, cwd?: string }} Command
 * @typedef {(name: string, command: Command) => ServerConfig | undefined} Start
 * @typedef {{ type?: string, url: string, headers?: Record<string, string> }} Remote
 */

/** An editor writes a file in several steps. */
const SETTLED_MS = 50

export class McpFile extends EventEmitter {
  /** @type {ReadonlyMap<string, ServerConfig>} */
  servers = new Map()
  #path
  #start
  #watcher
  /** @type {NodeJS.Timeout | undefined} */
  #settling

  /** @param {string} path @param {Start} start what becomes of an entry with a `command`; without an answer it is left out */
  constructor(path, start) {
    super()
    this.#path = path
    this.#start = start
    // Of the folder, since an editor puts a new file in the place of the old one.
    this.#watcher = watch(dirname(path), (_event, name) => {
      if (name !== null && name !== basename(path)) return
      clearTimeout(this.#settling)
      this.#settling = setTimeout(() => this.read(), SETTLED_MS)
    })
  }

  /** Emits `change`, or `fault` and leaves the servers as they were. */
  async read() {
    try {
      const { mcpServers = {} } = JSON.parse(expand(await readFile(this.#path, 'utf8')))
      const entries = Object.entries(mcpServers).map(([name, entry]) => [name, this.#serverOf(name, entry)])
      this.servers = new Map(/** @type {[string, ServerConfig][]} */ (entries.filter(([, server]) => server)))
      this.emit('change')
    } catch (error) {
      this.emit('fault', error)
    }
  }

  /** The next time that the file has been read. */
  async changed() {
    await once(this, 'change')
  }

  close() {
    clearTimeout(this.#settling)
    this.#watcher.close()
  }

  /** @param {string} name @param {any} entry */
  #serverOf(name, entry) {
    if (entry.command !== undefined) {
      const { command, args, env, cwd } = /** @type {Command} */ (entry)
      return this.#start(name, { command, ...(args && { args }), ...(env && { env }), ...(cwd && { cwd }) })
    }
    const { type = 'http', url, headers = {} } = /** @type {Remote} */ (entry)
    return /** @type {ServerConfig} */ ({ type, url, headers })
  }
}

/** The first remote of a `server.json`, as the MCP registry has it; `values` are for the headers that it asks for. @param {any} document @param {Record<string, string>} values @returns {Remote} */
export function remoteOf({ name, remotes = [] }, values = {}) {
  const remote = remotes.find((/** @type {Remote} */ { type = '' }) => ['streamable-http', 'sse'].includes(type))
  if (!remote) throw new Error(`${name} has no remote that is served`)
  /** @type {Record<string, string>} */
  const headers = {}
  for (const { name: header, value = values[header], isRequired } of remote.headers ?? []) {
    if (value !== undefined) headers[header] = value
    else if (isRequired) throw new Error(`${name} needs the header ${header}`)
  }
  return { type: remote.type, url: remote.url, headers }
}

/** `${NAME}` and `${NAME:-otherwise}`, as clients have them, inside of JSON texts. @param {string} text */
function expand(text) {
  return text.replaceAll(/\$\{(\w+)(?::-([^}"]*))?\}/g, (_whole, name, otherwise) => {
    const value = process.env[name] ?? otherwise
    if (value === undefined) throw new Error(`The variable ${name} is not set`)
    return JSON.stringify(value).slice(1, -1)
  })
}
