/** Reads the arguments of the command line: node's parser splits them, and what is wrong is said in sentences. */
import { isIP } from 'node:net'
import { parseArgs } from 'node:util'
import { nearestName } from '../util/unknown-key.ts'
import { CommandError } from './command-error.ts'

export interface CliArguments {
  readonly file: string
  readonly port: number
  readonly host: string
  /** The servers to serve, by name; empty for all. */
  readonly only: readonly string[]
  readonly allowCommands: boolean
  readonly check: boolean
  readonly json: boolean
  readonly timeoutMs: number
  /** The key that clients have to send; `undefined` without `--api-key-env`. */
  readonly apiKey: string | undefined
  readonly page: boolean
  readonly verbose: boolean
}

/** What the command line asks for. */
export type CliTask = 'help' | 'version' | CliArguments

const FLAGS = {
  port: { type: 'string', short: 'p' },
  host: { type: 'string' },
  only: { type: 'string', multiple: true },
  'allow-commands': { type: 'boolean' },
  check: { type: 'boolean' },
  json: { type: 'boolean' },
  timeout: { type: 'string' },
  'api-key-env': { type: 'string' },
  'no-page': { type: 'boolean' },
  verbose: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
} as const

/** What each value is, for the message that it is missing. */
const VALUES = {
  port: 'a port, such as --port 3000',
  host: 'an address, such as --host 127.0.0.1',
  only: 'the name of a server',
  timeout: 'seconds, such as --timeout 10',
  'api-key-env': 'the name of a variable that holds the key',
} as const

/** A key that can be tried out is none. */
const MIN_KEY_CHARS = 16

type GivenFlags = Readonly<Record<string, string | boolean | readonly string[] | undefined>>

/** Throws a CommandError that says what is wrong. */
export function readArguments(argv: readonly string[], env: NodeJS.ProcessEnv): CliTask {
  // Not strict: node's own messages for unknown options and for `--port -1` are about its parser.
  const { tokens, values, positionals } = parseArgs({
    args: [...argv],
    options: FLAGS,
    allowPositionals: true,
    strict: false,
    tokens: true,
  })
  for (const token of tokens) if (token.kind === 'option') checkFlag(token)
  const given = values as GivenFlags
  if (given['help'] === true) return 'help'
  if (given['version'] === true) return 'version'
  const isCheck = given['check'] === true
  for (const name of ['json', 'timeout']) {
    if (given[name] !== undefined && !isCheck) throw new CommandError(`--${name} goes with --check`)
  }
  const apiKey = apiKeyOf(flagText(given, 'api-key-env'), env)
  return {
    file: onlyFile(positionals),
    port: numberOf('port', flagText(given, 'port') ?? '3000', 0, 65_535, 'a port from 0 to 65535'),
    host: hostOf(flagText(given, 'host') ?? '127.0.0.1', apiKey),
    only: (given['only'] ?? []) as readonly string[],
    allowCommands: given['allow-commands'] === true,
    check: isCheck,
    json: given['json'] === true,
    timeoutMs: 1_000 * numberOf('timeout', flagText(given, 'timeout') ?? '10', 1, 3_600, 'seconds from 1 to 3600'),
    apiKey,
    page: given['no-page'] !== true,
    verbose: given['verbose'] === true,
  }
}

function flagText(given: GivenFlags, name: keyof typeof VALUES): string | undefined {
  return given[name] as string | undefined
}

interface OptionToken {
  readonly name: string
  readonly rawName: string
  readonly value?: string | undefined
  readonly inlineValue?: boolean | undefined
}

function checkFlag({ name, rawName, value, inlineValue }: OptionToken): void {
  if (!Object.hasOwn(FLAGS, name)) {
    const nearest = rawName.startsWith('--') ? nearestName(name, Object.keys(FLAGS)) : undefined
    const cure = nearest === undefined ? '--help lists those there are' : `did you mean --${nearest}?`
    throw new CommandError(`${rawName} is not an option; ${cure}`)
  }
  const flag = FLAGS[name as keyof typeof FLAGS]
  if (flag.type === 'boolean') {
    if (value !== undefined) throw new CommandError(`${rawName} takes no value`)
    return
  }
  const isNumber = /^-\d/.test(value ?? '')
  if (value === undefined || value === '' || (!inlineValue && value.startsWith('-') && !isNumber)) {
    throw new CommandError(`${rawName} needs ${VALUES[name as keyof typeof VALUES]}`)
  }
}

function onlyFile(positionals: readonly string[]): string {
  const [file, second] = positionals
  if (file === undefined) throw new CommandError('Which file? For example: express-mcp-gateway mcp.json')
  if (second !== undefined) throw new CommandError(`One file at a time: both ${file} and ${second} are given`)
  return file
}

function numberOf(name: string, text: string, least: number, most: number, what: string): number {
  const number = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  const isWhole = name !== 'port' || Number.isInteger(number)
  if (number >= least && number <= most && isWhole) return number
  throw new CommandError(`--${name} takes ${what}, not ${JSON.stringify(text)}`)
}

/** Everybody who reaches another address than loopback could use the servers, with the keys in the file. */
function hostOf(host: string, apiKey: string | undefined): string {
  const bare = host.replace(/^\[(.*)\]$/, '$1')
  if (!/^[\w.:%-]+$/.test(bare)) throw new CommandError(`--host takes an address, not ${JSON.stringify(host)}`)
  if (apiKey !== undefined || isLoopbackHost(bare)) return bare
  throw new CommandError(
    `--host ${host} lets others than this machine in: name the variable with the key that they need, --api-key-env NAME`,
  )
}

function isLoopbackHost(host: string): boolean {
  if (isIP(host) === 4) return host.startsWith('127.')
  return host === '::1' || host.toLowerCase() === 'localhost'
}

/** The key is read from the environment: on the command line every user of the machine could see it. */
function apiKeyOf(variable: string | undefined, env: NodeJS.ProcessEnv): string | undefined {
  if (variable === undefined) return undefined
  const key = env[variable]
  if (key === undefined) throw new CommandError(`--api-key-env: the variable ${variable} is not set`)
  if (key.length >= MIN_KEY_CHARS && /^[\w.~+/-]+=*$/.test(key)) return key
  throw new CommandError(
    `--api-key-env: the key in ${variable} must have at least ${MIN_KEY_CHARS} of the characters A-Z a-z 0-9 - . _ ~ + /`,
  )
}
