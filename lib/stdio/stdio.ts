/** stdio(): a server that is a child process, as an entry of `servers`. */
import { createHash } from 'node:crypto'
import type { Awaitable, PipeContext, PipeServer, Principal } from '../types.ts'
import { isDictionary, kindOf } from '../util/json.ts'
import { rejectUnknown } from '../util/unknown-key.ts'
import { ChildPipe } from './child-pipe.ts'
import { checkVariables, environmentOf, type EnvironmentVariables } from './environment.ts'

/** Whom a process is started for. */
export type StdioContext<P extends Principal = Principal> = PipeContext<P>

/** Whose line on stderr it is. */
export interface StderrContext<P extends Principal = Principal> extends PipeContext<P> {
  readonly pid: number | undefined
}

export interface StdioOptions<P extends Principal = Principal> {
  /** The program: a path, or a name that is looked for in `PATH`. It is run by itself, never by a shell. */
  readonly command: string
  readonly args?: readonly string[] | undefined
  /**
   * Variables beside the few that every server gets (`PATH`, `HOME` and the like): never the gateway's own. A function
   * is asked for every session and every modern request; processes are shared by those with the same answer.
   */
  readonly env?: EnvironmentVariables | ((context: StdioContext<P>) => Awaitable<EnvironmentVariables>) | undefined
  /** Names of variables of the gateway that the server gets, too, say `HTTPS_PROXY`. */
  readonly inheritEnv?: readonly string[] | undefined
  /** Where it runs. Defaults to where the gateway does. */
  readonly cwd?: string | undefined
  /**
   * How many processes there are of it at most. Past that a new session is 503, also for a principal who has as many
   * already as are left. Defaults to 32.
   */
  readonly maxProcesses?: number | undefined
  /** How long a process lives without use, in milliseconds. Defaults to 30 minutes. */
  readonly idleMs?: number | undefined
  /** How long a process may take to end when its stdin has, in milliseconds, and again after SIGTERM. Defaults to 2 000. */
  readonly graceMs?: number | undefined
  /** The longest message, in bytes. A process that sends a longer one is ended. Defaults to 16 MiB. */
  readonly maxMessageBytes?: number | undefined
  /**
   * Told the lines on stderr, up to 100 a second, each of 8 KiB at most. By default nothing is told, and the last 4 KiB
   * stand in the error when the process ends by itself.
   */
  readonly onStderr?: ((line: string, context: StderrContext<P>) => void) | undefined
  /**
   * Names the server. Needed where both `servers` and `env` are functions, since nothing tells then whether two answers
   * are the same server; otherwise the command, its arguments, variables and directory are its name.
   */
  readonly key?: string | undefined
}

/** Kept complete by the compiler. */
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
 * A server that is a child process. A legacy client's session has a process of its own; modern requests share one with
 * whoever would get the same command, arguments, variables and directory.
 *
 * @example
 * servers: { files: stdio({ command: 'npx', args: ['-y', '@modelcontextprotocol/server-filesystem', '/srv'] }) }
 * @throws TypeError for an option that there is not, or that cannot work.
 */
export function stdio<P extends Principal = Principal>(options: StdioOptions<P>): PipeServer<P> {
  checkStdioOptions(options)
  const { command, args = [], env = {}, inheritEnv = [], cwd, onStderr } = options
  const { maxProcesses = 32, idleMs, graceMs, maxMessageBytes = DEFAULT_MESSAGE_BYTES } = options
  // Of one context: what says whose process it is also starts it, so that both have the same answer.
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
  // Reading `process.env` is slow: without a function to ask, the answer is made once.
  let digest: string | undefined
  const sharedBy = async (context: PipeContext<P>): Promise<string> => {
    if (typeof env === 'function') return contentDigest(await variablesFor(context))
    digest ??= contentDigest(environmentOf(env, inheritEnv))
    return digest
  }
  // Two functions of one source may answer differently: their servers are told apart by name, or by a `key` of one's own.
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
}

function checkTexts(option: string, list: unknown): void {
  if (Array.isArray(list) && list.every((each) => typeof each === 'string' && !each.includes('\0'))) return
  throw new TypeError(`"${option}" must be an array of texts`)
}

/** Variables hold secrets: what is kept of them to compare is a digest. */
function contentDigest(value: object): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64url')
}
