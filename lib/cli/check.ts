/** `--check`: asks every server what it has, and prints a line for each, in the order of the file. */
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { type Capabilities, type CapabilityList, introspect } from '../directory/introspect.ts'
import { internalsOf } from '../exchange/gateway-internals.ts'
import { mcpGateway } from '../gateway.ts'
import { MODERN_VERSIONS } from '../protocol.ts'
import { nonEmptyText } from '../util/json.ts'
import { EXIT } from './command-error.ts'
import { diagnose } from './diagnosis.ts'
import { plainText } from './plain-text.ts'
import type { FileServer } from './servers.ts'

/** What is known of a server after it was asked. Plain JSON. */
interface Finding {
  readonly name: string
  readonly status: 'ok' | 'down' | 'skipped'
  readonly era?: 'legacy' | 'modern'
  readonly protocolVersions?: readonly string[]
  readonly tools?: number
  readonly prompts?: number
  readonly resources?: number
  readonly ms?: number
  /** The server's own name and version. */
  readonly server?: { readonly name?: string; readonly version?: string }
  readonly code?: string
  readonly reason?: string
  readonly cure?: string
}

export interface CheckOptions {
  readonly json: boolean
  readonly timeoutMs: number
}

/** How many servers are asked at a time: each may be a process. */
const CONCURRENCY = 8

/** The longest name that the columns are aligned for, in characters. */
const MAX_NAME_CHARS = 30

/** Resolves to the exit code. */
export async function checkServers(
  servers: readonly FileServer[],
  { json, timeoutMs }: CheckOptions,
  print: (line: string) => void,
  progress: (text: string) => void,
): Promise<number> {
  const width = Math.min(MAX_NAME_CHARS, Math.max(...servers.map(({ name }) => plainText(name).length)))
  const findings = startAll(servers, timeoutMs)
  let usable = 0
  for (const [index, finding] of findings.answers.entries()) {
    progress(`Asking ${plainText(servers[index]!.name)} (${index + 1} of ${servers.length}) …`)
    const found = await finding
    progress('')
    if (found.status === 'ok') usable += 1
    print(json ? JSON.stringify(found) : lineOf(found, width))
  }
  progress('Ending …')
  await findings.close()
  progress('')
  const wanted = servers.filter(({ isDisabled }) => !isDisabled).length
  if (!json) print(`${usable} of ${wanted} can be used`)
  return usable === wanted ? 0 : EXIT.FAILED
}

/** Asks the servers, so many at a time; the answers are in the order of the file. */
function startAll(
  servers: readonly FileServer[],
  timeoutMs: number,
): { readonly answers: readonly Promise<Finding>[]; close(): Promise<void> } {
  const configs = servers.flatMap(({ name, config }) => (config ? [[name, config] as const] : []))
  // introspect() limits the whole of it: a limit of the gateway's own would say the same in other words.
  const timeouts = { connectMs: timeoutMs, responseMs: 0 }
  const gateway = mcpGateway({ servers: Object.fromEntries(configs), authenticate: false, timeouts, onError() {} })
  const internals = internalsOf(gateway)!
  const ask = async ({ name, config, leftOut = '' }: FileServer): Promise<Finding> => {
    if (config === undefined) return { name, status: 'skipped', reason: leftOut }
    const start = performance.now()
    const request = new IncomingMessage(new Socket())
    try {
      const subject = { server: name, config, principal: undefined, request }
      return usableServer(name, await introspect(internals, subject, timeoutMs), performance.now() - start)
    } catch (error) {
      const { code, reason, cure } = diagnose(error, config)
      return { name, status: 'down', code, reason, ...(cure !== undefined && { cure }) }
    }
  }
  const lanes: Promise<unknown>[] = Array.from({ length: CONCURRENCY }, async () => {})
  const answers = servers.map((server, index) => {
    const answer = lanes[index % CONCURRENCY]!.then(() => ask(server))
    lanes[index % CONCURRENCY] = answer
    return answer
  })
  return { answers, close: () => gateway.close({ graceMs: 0 }) }
}

function usableServer(name: string, capabilities: Capabilities, ms: number): Finding {
  const { protocolVersions, tools, prompts, resources } = capabilities
  const own = { name: nonEmptyText(capabilities.server, 'name'), version: nonEmptyText(capabilities.server, 'version') }
  return {
    name,
    status: 'ok',
    era: protocolVersions.some((version) => MODERN_VERSIONS.includes(version)) ? 'modern' : 'legacy',
    protocolVersions,
    tools: tools.items.length,
    prompts: prompts.items.length,
    resources: resources.items.length,
    ms: Math.round(ms),
    server: {
      ...(own.name !== undefined && { name: own.name }),
      ...(own.version !== undefined && { version: own.version }),
    },
    ...faultOfLists({ tools, prompts, resources }),
  }
}

/** A list that the server refuses to send does not make it unusable, and is said. */
function faultOfLists(lists: Readonly<Record<string, CapabilityList>>): { reason?: string } {
  const faults = Object.entries(lists).flatMap(([name, { error }]) =>
    error === undefined ? [] : [`${name}: the server says: ${plainText(error)}`],
  )
  return faults.length === 0 ? {} : { reason: faults.join('; ') }
}

function lineOf(found: Finding, width: number): string {
  const head = `${plainText(found.name).padEnd(width)}  ${found.status.padEnd(7)}`
  const why = [found.reason, found.cure].filter((part) => part !== undefined).join('; ')
  if (found.status !== 'ok') return `${head}  ${why}`
  const versions = found.protocolVersions ?? []
  const newest = versions.toSorted().at(-1) ?? ''
  const counts = [counted(found.tools, 'tool'), counted(found.prompts, 'prompt'), counted(found.resources, 'resource')]
  const server = plainText([found.server?.name, found.server?.version].filter(Boolean).join(' '))
  const columns = [head, plainText(newest), counts.join(', '), `${found.ms} ms`, server, why]
  return columns.filter((column) => column !== '').join('  ')
}

function counted(count: number | undefined, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
