/** stdio(): a server that is a child process, as an entry of `servers`. */
import { createHash } from 'node:crypto'
import type { Awaitable, PipeContext, PipeServer, Principal } from '../types.ts'
import { isDictionary, kindOf } from '../util/json.ts'
import { inspect } from '../util/option-checks.ts'
import { rejectUnknown } from '../util/unknown-key.ts'
import { ChildPipe } from './child-pipe.ts'
import { checkVariables, environmentOf, type EnvironmentVariables } from './environment.ts'

/** The principal, server and era that a process is started for. */
export type StdioContext<P extends Principal | undefined = Principal | undefined> = PipeContext<P>

/** The process that wrote a line on stderr. */
export interface StderrContext<P extends Principal | undefined = Principal | undefined> extends PipeContext<P> {
  readonly pid: number | undefined
}

export interface StdioOptions<P extends Principal | undefined = Principal | undefined> {
  /** The program: a path, or a name that is looked up in `PATH`. It is started directly, never by a shell. */
  readonly command: string
  readonly args?: readonly string[] | undefined
  /**
   * Variables in addition to the few that every server gets (`PATH`, `HOME` and the like), never all of the gateway's.
   * A function is called for every session and every modern request; those with the same result share a process.
   */
  readonly env?: EnvironmentVariables | ((context: StdioContext<P>) => Awaitable<EnvironmentVariables>) | undefined
  /** Names of the gateway's variables that the server gets in addition, for example `HTTPS_PROXY`. */
  readonly inheritEnv?: readonly string[] | undefined
  /** The working directory. Defaults to that of the gateway. */
  readonly cwd?: string | undefined
  /**
   * The most processes of this server at a time. At the limit new sessions are refused with 503, also for a principal
   * who already has as many as remain free. Defaults to 32.
   */
  readonly maxProcesses?: number | undefined
  /** How long a process may be unused before it is ended, in milliseconds. Defaults to 30 minutes. */
  readonly idleMs?: number | undefined
  /**
   * How long a process may take to exit after its stdin is closed, and again after SIGTERM, in milliseconds. Defaults
   * to 2 000.
   */
  readonly graceMs?: number | undefined
  /** The longest message, in bytes. A process that sends a longer one is ended. Defaults to 16 MiB. */
  readonly maxMessageBytes?: number | undefined
  /**
   * Called with the lines on stderr, at most 100 a second, each cut at 8 KiB. By default they are not passed on, and
   * the last 4 KiB are part of the error when the process exits by itself.
   */
  readonly onStderr?: ((line: string, context: StderrContext<P>) => void) | undefined
  /**
   * Identifies the server. Required when both `servers` and `env` are functions, since the gateway cannot tell then
   * whether two results mean the same server; otherwise derived from command, arguments, variables and directory.
   */
  readonly key?: string | undefined
}

/** The type makes the compiler require every key. */
const STDIO_OPTIONS: Readonly<Record<keyof StdioOptions, true>> = {
  command: true,
  args: true,
  env: true,
  inheritEnv: true,
  cwd: true,
  maxProcesses: true,
  idleMs: true,
  graceMs: true,
  maxMessageBytes: true,
  onStderr: true,
  key: true,
}

const DEFAULT_MESSAGE_BYTES = 16 * 1024 * 1024

/**
 * A server that is a child process. A legacy client's session has a process of its own; modern requests with the same
 * command, arguments, variables and directory share one.
 *
 * @example
 * servers: { files: stdio({ command: 'npx', args: ['-y', '@modelcontextprotocol/server-filesystem', '/srv'] }) }
 * @throws TypeError for an unknown option, or a wrong value.
 */
export function stdio<P extends Principal | undefined = Principal>(options: StdioOptions<P>): PipeServer<P> {
  checkStdioOptions(options)
  const { command, args = [], env = {}, inheritEnv = [], cwd, onStderr } = options
  const { maxProcesses = 32, idleMs, graceMs, maxMessageBytes = DEFAULT_MESSAGE_BYTES } = options
  // By context: `sharedBy` and `open` both need the variables, and must get the same ones.
  const answers = new WeakMap<PipeContext<P>, Promise<EnvironmentVariables>>()
  const variablesFor = (context: PipeContext<P>): Promise<EnvironmentVariables> => {
    const before = answers.get(context)
    if (before) return before
    const answer = (async () => {
      const variables = typeof env === 'function' ? await env(context) : env
      checkVariables('what "env" answers', variables)
      return environmentOf(variables, inheritEnv)
    })()
    answers.set(context, answer)
    return answer
  }
  const open = async (context: PipeContext<P>): Promise<ChildPipe> => {
    const variables = await variablesFor(context)
    const tell = onStderr && ((line: string, pid: number | undefined) => onStderr(line, { ...context, pid }))
    return ChildPipe.spawn({ command, args, env: variables, cwd, maxMessageBytes, onStderr: tell })
  }
  // Reading `process.env` is slow, so without an `env` function the digest is computed once.
  let digest: string | undefined
  const sharedBy = async (context: PipeContext<P>): Promise<string> => {
    if (typeof env === 'function') return contentDigest(await variablesFor(context))
    digest ??= contentDigest(environmentOf(env, inheritEnv))
    return digest
  }
  // Two functions with the same source may return different variables, so `env` functions are no part of the identity.
  const content = typeof env === 'function' ? undefined : contentDigest({ command, args, cwd, env, inheritEnv })
  const key = options.key ?? content
  return {
    pipe: Object.assign(open, { sharedBy, ...(key !== undefined && { key }) }),
    maxPipes: maxProcesses,
    ...(idleMs !== undefined && { idleMs }),
    ...(graceMs !== undefined && { graceMs }),
  }
}

function checkStdioOptions(options: unknown): void {
  if (!isDictionary(options)) throw new TypeError(`stdio takes an object, stdio({ command }), not ${kindOf(options)}`)
  rejectUnknown(options, STDIO_OPTIONS, 'stdio.')
  const { command, args = [], env = {}, inheritEnv = [], cwd, onStderr, maxMessageBytes = 1 } = options
  if (typeof command !== 'string' || command === '' || command.includes('\0')) {
    throw new TypeError('"stdio.command" must be the name or the path of a program, without arguments: they are "args"')
  }
  checkTexts('stdio.args', args)
  checkTexts('stdio.inheritEnv', inheritEnv)
  if (typeof env !== 'function') checkVariables('"stdio.env"', env)
  if (cwd !== undefined && (typeof cwd !== 'string' || cwd === '')) throw new TypeError('"stdio.cwd" must be a path')
  if (onStderr !== undefined && typeof onStderr !== 'function') {
    throw new TypeError('"stdio.onStderr" must be a function (line, { server, principal, pid })')
  }
  if (typeof maxMessageBytes !== 'number' || !(maxMessageBytes >= 1)) {
    throw new TypeError('"stdio.maxMessageBytes" must be a number of at least 1')
  }
  checkAtLeast('maxProcesses', options['maxProcesses'], 1)
  checkAtLeast('idleMs', options['idleMs'], 1)
  checkAtLeast('graceMs', options['graceMs'], 0)
  const { key = 'key' } = options
  if (typeof key !== 'string' || key === '') throw new TypeError('"stdio.key" must be a text')
}

function checkAtLeast(option: string, value: unknown, least: number): void {
  if (value === undefined || (typeof value === 'number' && value >= least)) return
  throw new TypeError(`"stdio.${option}" must be a number of at least ${least}, not ${inspect(value)}`)
}

function checkTexts(option: string, list: unknown): void {
  if (Array.isArray(list) && list.every((each) => typeof each === 'string' && !each.includes('\0'))) return
  throw new TypeError(`"${option}" must be an array of texts`)
}

/** A digest, because variables hold secrets and are kept only for comparison. */
function contentDigest(value: object): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64url')
}
