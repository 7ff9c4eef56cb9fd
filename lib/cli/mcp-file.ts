/** Reads a file of MCP servers: `mcpServers`, as most clients have it, or `servers`, as VS Code has it. */
import { readFileSync, statSync } from 'node:fs'
import { isObject, type JsonObject, kindOf } from '../util/json.ts'
import { nearestName } from '../util/unknown-key.ts'
import { CommandError } from './command-error.ts'
import { JsonFault, type JsonText, lineAndColumn, readJson } from './json-reader.ts'

/** A larger file is no list of servers. */
const MAX_FILE_BYTES = 4 * 1024 * 1024

const ROOT_KEYS = ['mcpServers', 'servers'] as const

/** An entry as the file has it, of the right types, with its variables not yet replaced. */
export type RawEntry = { readonly name: string; readonly isDisabled: boolean } & (
  | { readonly remote: RawRemote }
  | { readonly command: RawCommand }
)

export interface RawRemote {
  readonly type: 'http' | 'streamable-http' | 'sse'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

export interface RawCommand {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string | undefined
}

/** Throws a CommandError with line and column for a file that is not as it should be. */
export function readMcpFile(path: string): RawEntry[] {
  const text = textOfFile(path)
  const at = (offset: number, fault: string): CommandError =>
    new CommandError(`${path}:${lineAndColumn(text, offset)}: ${fault}`)
  let json: JsonText
  try {
    json = readJson(text)
  } catch (error) {
    throw error instanceof JsonFault ? at(error.offset, error.message) : error
  }
  const [key, servers] = serversOf(json, at)
  const entries = Object.entries(servers).map(([name, entry]) => {
    const fault = (what: string, member?: string): CommandError => {
      const offset = member === undefined ? 0 : json.offsetOf(entry, member)
      return at(offset === 0 ? json.offsetOf(servers, name) : offset, `${JSON.stringify(name)}: ${what}`)
    }
    return new EntryReader(name, entry, fault).read()
  })
  if (entries.length === 0) throw at(json.offsetOf(json.value, key), `${JSON.stringify(key)} is empty: add a server`)
  return entries
}

function textOfFile(path: string): string {
  try {
    const stat = statSync(path)
    if (stat.isDirectory()) throw new CommandError(`${path} is a folder: name the file in it`)
    if (stat.size > MAX_FILE_BYTES) throw new CommandError(`${path} is too large for a list of servers`)
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof CommandError) throw error
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') throw new CommandError(`${path}: there is no such file`)
    throw new CommandError(`${path} cannot be read (${String(code)})`)
  }
}

function serversOf(
  { value, offsetOf }: JsonText,
  at: (offset: number, fault: string) => CommandError,
): [key: string, servers: JsonObject] {
  const example = '{ "mcpServers": { "weather": { "url": "http://127.0.0.1:8080/mcp" } } }'
  if (!isObject(value)) throw at(0, `an object is expected: ${example}`)
  const given = ROOT_KEYS.filter((key) => Object.hasOwn(value, key))
  const [key] = given
  if (key === undefined) {
    const near = Object.keys(value).find((each) => nearestName(each, ROOT_KEYS) !== undefined)
    const cure = near === undefined ? example : `is ${JSON.stringify(near)} meant to be it?`
    throw at(near === undefined ? 0 : offsetOf(value, near), `there is neither "mcpServers" nor "servers": ${cure}`)
  }
  if (given.length > 1) throw at(offsetOf(value, 'servers'), 'there are both "mcpServers" and "servers": keep one')
  const servers = value[key]
  if (isObject(servers)) return [key, servers]
  throw at(offsetOf(value, key), `"${key}" must be an object of servers by name, not ${kindOf(servers)}`)
}

/** Reads one entry. Keys that other clients have in their files are ignored. */
class EntryReader {
  readonly #name: string
  readonly #entry: JsonObject
  readonly #fault: (what: string, member?: string) => CommandError

  constructor(name: string, entry: unknown, fault: (what: string, member?: string) => CommandError) {
    if (name === '' || name === '.' || name === '..' || /\p{Cs}/u.test(name)) {
      throw fault('this name cannot be part of a URL: choose another')
    }
    if (!isObject(entry)) throw fault(`an object with "url" or "command" is expected, not ${kindOf(entry)}`)
    this.#name = name
    this.#entry = entry
    this.#fault = fault
  }

  read(): RawEntry {
    const { url, command, disabled } = this.#entry
    const type = this.#type()
    const about = { name: this.#name, isDisabled: disabled === true }
    if (url !== undefined && command !== undefined) throw this.#fault('there are both "url" and "command"', 'command')
    if (url !== undefined && type !== 'stdio') {
      return { ...about, remote: { type: type ?? 'http', url: this.#text('url')!, headers: this.#record('headers') } }
    }
    if (command !== undefined && (type === undefined || type === 'stdio')) {
      return { ...about, command: this.#command() }
    }
    if (type !== undefined && (url ?? command) !== undefined) {
      const needs = type === 'stdio' ? '"command"' : '"url"'
      throw this.#fault(`"type": "${type}" needs ${needs}`, 'type')
    }
    const near = Object.keys(this.#entry).find((key) => nearestName(key, ['url', 'command']) !== undefined)
    if (near === undefined) throw this.#fault('there is neither "url" nor "command"')
    throw this.#fault(
      `there is neither "url" nor "command": is ${JSON.stringify(near)} meant to be ${JSON.stringify(nearestName(near, ['url', 'command']))}?`,
      near,
    )
  }

  #type(): RawRemote['type'] | 'stdio' | undefined {
    const { type } = this.#entry
    if (type === undefined || type === 'stdio' || type === 'http' || type === 'streamable-http' || type === 'sse') {
      return type
    }
    throw this.#fault(`"type" must be "http", "sse" or "stdio", not ${JSON.stringify(type)}`, 'type')
  }

  #command(): RawCommand {
    const { envFile } = this.#entry
    if (envFile !== undefined) {
      throw this.#fault('"envFile" is not read here: set its variables, and name them in "env" as ${VAR}', 'envFile')
    }
    return { command: this.#text('command')!, args: this.#texts(), env: this.#record('env'), cwd: this.#text('cwd') }
  }

  #text(key: string): string | undefined {
    const value = this.#entry[key]
    if (value === undefined || (typeof value === 'string' && value !== '')) return value
    throw this.#fault(`"${key}" must be a text`, key)
  }

  #texts(): string[] {
    const { args = [] } = this.#entry
    if (Array.isArray(args) && args.every((each) => typeof each === 'string')) return args
    throw this.#fault('"args" must be an array of texts', 'args')
  }

  /** The values, which may be secrets, are not in the message. */
  #record(key: 'headers' | 'env'): Record<string, string> {
    const value = this.#entry[key] ?? {}
    if (isObject(value) && Object.values(value).every((each) => typeof each === 'string')) {
      return value as Record<string, string>
    }
    throw this.#fault(`"${key}" must be an object of names and texts`, key)
  }
}
