/** Turns the entries of a file into servers of a gateway, and says of the others why they are left out. */
import { stdio } from '../stdio/stdio.ts'
import type { ServerConfig } from '../types.ts'
import { checkServer } from '../upstream/upstreams.ts'
import { nearestName } from '../util/unknown-key.ts'
import { CommandError } from './command-error.ts'
import type { RawCommand, RawEntry } from './mcp-file.ts'
import { plainText } from './plain-text.ts'
import { expandVariables, VariableFault } from './variables.ts'

/** A server of the file: its config, or why there is none. */
export interface FileServer {
  readonly name: string
  readonly config: ServerConfig | undefined
  /** Why it is left out; `undefined` with a config. */
  readonly leftOut: string | undefined
  /** Whether the file itself says so: then nothing is missing. */
  readonly isDisabled: boolean
  /** The command as the file has it, without values of variables; `undefined` for a server with a URL. */
  readonly command: string | undefined
}

export interface ServerRules {
  readonly only: readonly string[]
  readonly allowCommands: boolean
  /** How long a process may take to end, in milliseconds. */
  readonly graceMs: number
  readonly onStderr: ((line: string, context: { readonly server: string }) => void) | undefined
  readonly env: NodeJS.ProcessEnv
}

/** Throws a CommandError for an `--only` that names no server. Starts nothing: processes start with their first use. */
export function serversOfEntries(entries: readonly RawEntry[], rules: ServerRules): FileServer[] {
  const names = entries.map(({ name }) => name)
  for (const name of rules.only) {
    if (names.includes(name)) continue
    const nearest = nearestName(name, names)
    const cure = nearest === undefined ? `there are: ${names.join(', ')}` : `did you mean ${nearest}?`
    throw new CommandError(`--only ${name}: the file has no server of this name; ${cure}`)
  }
  const chosen = entries.filter(({ name }) => rules.only.length === 0 || rules.only.includes(name))
  return chosen.map((entry) => serverOfEntry(entry, rules))
}

function serverOfEntry(entry: RawEntry, rules: ServerRules): FileServer {
  const { name, isDisabled } = entry
  const command = 'command' in entry ? shownCommand(entry.command) : undefined
  const about = { name, isDisabled, command }
  const without = (leftOut: string): FileServer => ({ ...about, config: undefined, leftOut })
  if (isDisabled) return without('disabled in the file')
  if (command !== undefined && !rules.allowCommands) {
    return without(`a command, which --allow-commands starts: ${command}`)
  }
  try {
    const config = configOf(entry, rules)
    checkServer(name, config)
    return { ...about, config, leftOut: undefined }
  } catch (error) {
    if (error instanceof VariableFault) return without(error.message)
    if (error instanceof TypeError) return without(error.message.replace(`Server ${JSON.stringify(name)}: `, ''))
    throw error
  }
}

function configOf(entry: RawEntry, { env, graceMs, onStderr }: ServerRules): ServerConfig {
  const expand = (text: string): string => expandVariables(text, env)
  if ('remote' in entry) {
    const { type, url, headers } = entry.remote
    return { type, url: expand(url), headers: expandValues(headers, expand) }
  }
  const { command, args, cwd, env: variables } = entry.command
  return stdio({
    command: expand(command),
    args: args.map(expand),
    env: expandValues(variables, expand),
    cwd: cwd === undefined ? undefined : expand(cwd),
    graceMs,
    onStderr,
  })
}

function expandValues(
  record: Readonly<Record<string, string>>,
  expand: (text: string) => string,
): Record<string, string> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, expand(value)]))
}

/** The command with its arguments, quoted where a shell would need it. */
function shownCommand({ command, args }: RawCommand): string {
  const quoted = [command, ...args].map((word) => (/^[\w@%+=:,./${}-]+$/.test(word) ? word : JSON.stringify(word)))
  return plainText(quoted.join(' '))
}
