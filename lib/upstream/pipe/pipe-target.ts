/** Checks a pipe server's config, and derives how its pipes are opened and bounded. */
import { createHash } from 'node:crypto'
import type { OpenPipe, PipeServer } from '../../types.ts'
import { kindOf } from '../../util/json.ts'
import { MAX_TIMER_MS } from '../../util/timeout.ts'
import { alternatives, unknownKey } from '../../util/unknown-key.ts'
import { faultOfBridge } from '../server-kind.ts'

/** How the pipes of a server are opened, their number and their times. */
export interface PipeTarget {
  /** Identifies what is opened. */
  readonly id: string
  readonly label: string
  readonly open: OpenPipe
  readonly maxPipes: number
  readonly idleMs: number
  readonly graceMs: number
  /** Whether a pipe that ended unexpectedly several times in a row is reopened with a delay. */
  readonly backsOff: boolean
}

/** The type makes the compiler require every key. */
const PIPE_KEYS: Readonly<Record<keyof PipeServer, true>> = {
  pipe: true,
  protocol: true,
  bridge: true,
  recover: true,
  maxPipes: true,
  idleMs: true,
  graceMs: true,
  scopes: true,
  intercept: true,
  title: true,
  description: true,
  tags: true,
  version: true,
}

const PROTOCOLS: ReadonlySet<unknown> = new Set(['auto', 'legacy', 'modern'])

/** By config object; the server's name is compared too, because the id may be derived from it. */
const knownPipes = new WeakMap<PipeServer, { readonly server: string; readonly target: PipeTarget }>()

/**
 * Throws a TypeError that names the fault and the cure. `isLookedUp` is true if `servers` is a function: it may return
 * a new function per request, so a `key` has to tell whether two of them open the same server.
 */
export function pipeTargetOf(server: string, config: PipeServer, isLookedUp: boolean): PipeTarget {
  const fault = (what: string): TypeError => new TypeError(`Server ${JSON.stringify(server)}: ${what}`)
  const before = knownPipes.get(config)
  const isFunction = typeof config.pipe === 'function'
  const key = isFunction ? config.pipe.key : undefined
  if (isFunction && key === undefined && isLookedUp) {
    throw fault('a pipe that a function of "servers" answers needs a "key", which names what it opens')
  }
  if (before?.server === server && before.target.open === config.pipe) return before.target
  checkShape(config, fault)
  const { pipe, maxPipes = 1_000, idleMs = 30 * 60_000, graceMs = 2_000 } = config
  if (key !== undefined && (typeof key !== 'string' || key === '')) throw fault('the "key" of a pipe must be a text')
  const target: PipeTarget = {
    id: pipeIdOf(key === undefined ? ['name', server] : ['key', key]),
    label: server,
    open: pipe,
    maxPipes: checkNumber(fault, 'maxPipes', maxPipes, 1, Number.MAX_SAFE_INTEGER),
    idleMs: checkNumber(fault, 'idleMs', idleMs, 1, MAX_TIMER_MS),
    graceMs: checkNumber(fault, 'graceMs', graceMs, 0, MAX_TIMER_MS),
    backsOff: true,
  }
  knownPipes.set(config, { server, target })
  return target
}

function checkShape(config: PipeServer, fault: (what: string) => TypeError): void {
  const unknown = unknownKey(config, PIPE_KEYS)
  if (unknown !== undefined) {
    throw fault(`${JSON.stringify(unknown)} is not a key of a pipe's config; ${alternatives(unknown, PIPE_KEYS)}`)
  }
  const { pipe, protocol = 'auto', recover = false, bridge } = config
  if (typeof pipe !== 'function') {
    throw fault(`"pipe" must be a function that opens a pipe, as inProcess() and stdio() make it, not ${kindOf(pipe)}`)
  }
  if (pipe.sharedBy !== undefined && typeof pipe.sharedBy !== 'function') {
    throw fault('"sharedBy" of a pipe must be a function that answers a text')
  }
  if (!PROTOCOLS.has(protocol)) {
    throw fault(`"protocol" must be "auto", "legacy" or "modern", not ${JSON.stringify(protocol)}`)
  }
  if (typeof recover !== 'boolean') throw fault(`"recover" must be true or false, not ${JSON.stringify(recover)}`)
  const wrong = faultOfBridge(bridge, protocol)
  if (wrong !== undefined) throw fault(wrong)
}

function checkNumber(
  fault: (what: string) => TypeError,
  option: string,
  value: unknown,
  least: number,
  most: number,
): number {
  if (typeof value === 'number' && value >= least && value <= most) return value
  throw fault(`"${option}" must be a number of at least ${least} and at most ${most}, not ${JSON.stringify(value)}`)
}

function pipeIdOf(parts: readonly string[]): string {
  return createHash('sha256')
    .update(JSON.stringify(['pipe', ...parts]))
    .digest('base64url')
    .slice(0, 22)
}
