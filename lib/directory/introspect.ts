/** Introspects a server on behalf of a principal: fetches its identity and its lists. */
import { GatewayError, isCode } from '../errors.ts'
import type { Connection, GatewayInternals, Subject } from '../exchange/gateway-internals.ts'
import { UpstreamClient } from '../exchange/upstream-client.ts'
import { RpcError } from '../rpc-error.ts'
import { META, MODERN_ERRORS, MODERN_VERSIONS } from '../protocol.ts'
import { MISSING } from '../upstream/aggregate/lists.ts'
import { membersFor } from '../upstream/aggregate/members.ts'
import { isAggregate, protocolOf } from '../upstream/server-kind.ts'
import { isObject, type JsonObject, member } from '../util/json.ts'
import { BoundedList } from './bounded-list.ts'
import { sizeOf, truncate } from './json-size.ts'

/** The `clientInfo` of the directory. */
const CLIENT_INFO: JsonObject = { name: 'express-mcp-gateway-directory', version: '1' }

/** One of a server's lists, or the part of it that fits the limits. */
export interface CapabilityList {
  readonly items: readonly JsonObject[]
  /** Whether the server has more items than these. */
  readonly hasMore?: true
  /** The server's own error message, where it refused to send the list. */
  readonly error?: string
}

/** A member of an aggregate: its tools are called `name__...`, its resources `name+...`. */
export interface MemberPart {
  readonly name: string
  readonly missing?: string
}

/** A server's identity, and the features that it offers. Plain JSON. */
export interface Capabilities {
  readonly protocolVersions: readonly string[]
  /** The server's own `name`, `title` and `version`. */
  readonly server: JsonObject
  readonly instructions?: string
  /** The members of an aggregate that the principal has, with why one of them is missing. */
  readonly members?: readonly MemberPart[]
  readonly tools: CapabilityList
  readonly prompts: CapabilityList
  readonly resources: CapabilityList
  readonly resourceTemplates: CapabilityList
}

/** How many pages of a list are fetched. */
const MAX_PAGES = 20

/** The limit of all lists together. */
const TOTAL_BYTES = 4 * 1024 * 1024

/** The limits of the server's identity in bytes, and of its texts in characters. */
const IDENTITY_BYTES = 16 * 1024
const MAX_INSTRUCTIONS = 16_384
const MAX_TEXT_LENGTH = 500
const MAX_VERSIONS = 20

/** The newest revision with a handshake. */
const LATEST_LEGACY_VERSION = '2025-11-25'

const METHOD_NOT_FOUND = -32601
const EMPTY_LIST: CapabilityList = { items: [] }

/** The capability that each list belongs to, its method, and its key in the result. */
const LISTS = [
  ['tools', 'tools/list', 'tools'],
  ['prompts', 'prompts/list', 'prompts'],
  ['resources', 'resources/list', 'resources'],
  ['resources', 'resources/templates/list', 'resourceTemplates'],
] as const

/** Rejects with a GatewayError after `deadlineMs` milliseconds, even if the server and the hooks ignore the abort. */
export async function introspect(
  gateway: GatewayInternals,
  subject: Subject,
  deadlineMs: number,
): Promise<Capabilities> {
  const connection = gateway.connect(subject)
  const { life } = connection.parent
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    life.onStop(reject)
    timer = setTimeout(() => {
      life.stop(new GatewayError('upstream_timeout', `The server took longer than ${deadlineMs / 1_000} s`))
    }, deadlineMs).unref()
  })
  try {
    return await Promise.race([introspectAnyEra(gateway, connection), late])
  } catch (error) {
    // The principal may use this server, so its error message may be shown.
    throw error instanceof RpcError
      ? new GatewayError('upstream_refused', `The server says: ${truncate(error.message, MAX_TEXT_LENGTH)}`)
      : error
  } finally {
    clearTimeout(timer)
  }
}

/** UC2: tries the modern era first; any error that is not a modern one means that the server needs a handshake. */
async function introspectAnyEra(gateway: GatewayInternals, connection: Connection): Promise<Capabilities> {
  const { parent } = connection
  // With a session each member is reached, of whatever era it is.
  if (isAggregate(parent.config)) return introspectAggregate(gateway, connection)
  const protocol = protocolOf(parent.config)
  if (protocol === 'legacy') return introspectLegacy(gateway, connection)
  try {
    return await introspectModern(connection)
  } catch (error) {
    if (protocol === 'modern' || !isLegacySign(error)) throw error
    return introspectLegacy(gateway, connection)
  }
}

function isLegacySign(error: unknown): boolean {
  if (error instanceof RpcError) return !MODERN_ERRORS.has(error.code)
  // For a pipe the gateway itself detects the era, and refuses a modern request to a legacy server with this code.
  if (isCode(error, 'bad_request')) return true
  return error instanceof GatewayError && error.code === 'upstream_refused' && error.status < 500
}

async function introspectModern({ handle, parent }: Connection): Promise<Capabilities> {
  const client = UpstreamClient.modern(handle, parent, CLIENT_INFO)
  const result = await client.request('server/discover', {})
  const versions = member(result, 'supportedVersions')
  const server = member(member(result, '_meta'), META.serverInfo)
  return listAll(client, result, server, Array.isArray(versions) ? versions : [])
}

async function introspectAggregate(gateway: GatewayInternals, connection: Connection): Promise<Capabilities> {
  let missing: unknown
  const capabilities = await introspectLegacy(gateway, connection, (result) => {
    missing = member(member(result, '_meta'), MISSING)
  })
  const members = (await membersFor(connection.parent)).map(({ name }) => {
    const why = truncatedText(member(missing, name))
    return { name, ...(why !== undefined && { missing: why }) }
  })
  return { ...capabilities, protocolVersions: [...MODERN_VERSIONS, ...capabilities.protocolVersions], members }
}

async function introspectLegacy(
  gateway: GatewayInternals,
  { handle, parent }: Connection,
  onHandshake: (result: JsonObject) => void = () => {},
): Promise<Capabilities> {
  const handshake = { protocolVersion: LATEST_LEGACY_VERSION, capabilities: {}, clientInfo: CLIENT_INFO }
  const [client, result] = await UpstreamClient.open(handle, parent, handshake)
  try {
    onHandshake(result)
    return await listAll(client, result, member(result, 'serverInfo'), [member(result, 'protocolVersion')])
  } finally {
    gateway.track(client.close())
  }
}

async function listAll(
  client: UpstreamClient,
  result: JsonObject,
  server: unknown,
  versions: readonly unknown[],
): Promise<Capabilities> {
  const declared = member(result, 'capabilities')
  const instructions = member(result, 'instructions')
  const budget = { bytes: TOTAL_BYTES }
  const [tools, prompts, resources, resourceTemplates] = (await Promise.all(
    LISTS.map(async ([capability, method, key]) =>
      member(declared, capability) === undefined ? EMPTY_LIST : list(client, method, key, budget),
    ),
  )) as [CapabilityList, CapabilityList, CapabilityList, CapabilityList]
  return {
    protocolVersions: versions.slice(0, MAX_VERSIONS).flatMap((each) => truncatedText(each) ?? []),
    server: isObject(server) ? identityOf(server) : {},
    ...(typeof instructions === 'string' && { instructions: truncate(instructions, MAX_INSTRUCTIONS) }),
    tools,
    prompts,
    resources,
    resourceTemplates,
  }
}

/** The identity itself, or its texts alone when it is too large. */
function identityOf(server: JsonObject): JsonObject {
  if (sizeOf(server) <= IDENTITY_BYTES) return server
  const names = ['name', 'title', 'version'].map((key) => [key, truncatedText(server[key])] as const)
  return Object.fromEntries(names.filter(([, text]) => text !== undefined))
}

function truncatedText(text: unknown): string | undefined {
  return typeof text === 'string' ? truncate(text, MAX_TEXT_LENGTH) : undefined
}

/** Fetches a list. When the server refuses it, the error is part of the result, so that the other lists are kept. */
async function list(
  client: UpstreamClient,
  method: string,
  key: string,
  budget: { bytes: number },
): Promise<CapabilityList> {
  const taken = new BoundedList(budget)
  const { items } = taken
  let cursor: unknown
  try {
    for (let page = 0; page < MAX_PAGES && !taken.isFull; page += 1) {
      const result = await client.request(method, cursor === undefined ? {} : { cursor })
      const found = member(result, key)
      if (Array.isArray(found)) for (const item of found) if (isObject(item)) taken.add(item)
      cursor = member(result, 'nextCursor')
      if (typeof cursor !== 'string') break
    }
  } catch (error) {
    if (!(error instanceof RpcError)) throw error
    return error.code === METHOD_NOT_FOUND ? EMPTY_LIST : { items, error: truncate(error.message, MAX_TEXT_LENGTH) }
  }
  const hasMore = typeof cursor === 'string' || taken.isTruncated
  return { items, ...(hasMore && { hasMore }) }
}
