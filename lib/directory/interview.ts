/** Asks a server, as one principal, who it is and what it offers. */
import { GatewayError } from '../errors.ts'
import type { Connection, GatewayInternals, Subject } from '../exchange/gateway-internals.ts'
import { RpcError, UpstreamClient } from '../exchange/upstream-client.ts'
import { META, MODERN_ERRORS } from '../protocol.ts'
import { isObject, type JsonObject, member } from '../util/json.ts'
import { clip, weightOf, withoutDepths } from './weight.ts'

/** How we introduce ourselves. */
const CLIENT_INFO: JsonObject = { name: 'express-mcp-gateway-directory', version: '1' }

/** One of a server's lists. */
export interface Offered {
  readonly items: readonly JsonObject[]
  /** Whether it goes on. */
  readonly hasMore?: true
  /** Why it could not be had, in the server's own words. */
  readonly error?: string
}

/** What a server says of itself, and what it offers. Plain JSON. */
export interface Offer {
  readonly protocolVersions: readonly string[]
  /** The server's own `name`, `title` and `version`. */
  readonly server: JsonObject
  readonly instructions?: string
  readonly tools: Offered
  readonly prompts: Offered
  readonly resources: Offered
  readonly resourceTemplates: Offered
}

/** How many pages of a list are fetched, how many items are taken, and how many bytes of them. */
const MAX_PAGES = 20
const MAX_ITEMS = 500
const LIST_BYTES = 2 * 1024 * 1024

/** How many bytes all lists have together. */
const OFFER_BYTES = 4 * 1024 * 1024

/** How many bytes the server's identity has, and how long its texts are, in characters. */
const IDENTITY_BYTES = 16 * 1024
const MAX_INSTRUCTIONS = 16_384
const MAX_WORDS = 500
const MAX_VERSIONS = 20

/** The newest revision with a handshake. */
const LEGACY_OFFERED = '2025-11-25'

const METHOD_NOT_FOUND = -32601
const NOTHING: Offered = { items: [] }

/** The capability a list belongs to, its method, and its key in the result. */
const LISTS = [
  ['tools', 'tools/list', 'tools'],
  ['prompts', 'prompts/list', 'prompts'],
  ['resources', 'resources/list', 'resources'],
  ['resources', 'resources/templates/list', 'resourceTemplates'],
] as const

/** Rejects with a GatewayError after `deadlineMs` milliseconds at the latest, whatever the server and hooks do. */
export async function interview(gateway: GatewayInternals, subject: Subject, deadlineMs: number): Promise<Offer> {
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
    return await Promise.race([introspect(gateway, connection), late])
  } catch (error) {
    // The server's words are for the one who asked it.
    throw error instanceof RpcError
      ? new GatewayError('upstream_refused', `The server says: ${clip(error.message, MAX_WORDS)}`)
      : error
  } finally {
    clearTimeout(timer)
  }
}

/** UC2: modern first; what answers that with anything but a modern error is asked for a handshake. */
async function introspect(gateway: GatewayInternals, connection: Connection): Promise<Offer> {
  const { protocol = 'auto' } = connection.parent.config
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
  return error instanceof GatewayError && error.code === 'upstream_refused' && error.status < 500
}

async function introspectModern({ handle, parent }: Connection): Promise<Offer> {
  const client = UpstreamClient.modern(handle, parent, CLIENT_INFO)
  const said = await client.request('server/discover', {})
  const versions = member(said, 'supportedVersions')
  const server = member(member(said, '_meta'), META.serverInfo)
  return listAll(client, said, server, Array.isArray(versions) ? versions : [])
}

async function introspectLegacy(gateway: GatewayInternals, { handle, parent }: Connection): Promise<Offer> {
  const handshake = { protocolVersion: LEGACY_OFFERED, capabilities: {}, clientInfo: CLIENT_INFO }
  const [client, said] = await UpstreamClient.open(handle, parent, handshake)
  try {
    return await listAll(client, said, member(said, 'serverInfo'), [member(said, 'protocolVersion')])
  } finally {
    gateway.track(client.close())
  }
}

async function listAll(
  client: UpstreamClient,
  said: JsonObject,
  server: unknown,
  versions: readonly unknown[],
): Promise<Offer> {
  const capabilities = member(said, 'capabilities')
  const instructions = member(said, 'instructions')
  const room = { bytes: OFFER_BYTES }
  const lists = await Promise.all(
    LISTS.map(async ([capability, method, key]) =>
      member(capabilities, capability) === undefined ? NOTHING : list(client, method, key, room),
    ),
  )
  const [tools, prompts, resources, resourceTemplates] = lists as [Offered, Offered, Offered, Offered]
  return {
    protocolVersions: versions.slice(0, MAX_VERSIONS).flatMap((each) => wordsOf(each) ?? []),
    server: isObject(server) ? identityOf(server) : {},
    ...(typeof instructions === 'string' && { instructions: clip(instructions, MAX_INSTRUCTIONS) }),
    tools,
    prompts,
    resources,
    resourceTemplates,
  }
}

function identityOf(server: JsonObject): JsonObject {
  if (weightOf(server) <= IDENTITY_BYTES) return server
  const names = ['name', 'title', 'version'].map((key) => [key, wordsOf(server[key])] as const)
  return Object.fromEntries(names.filter(([, words]) => words !== undefined))
}

function wordsOf(text: unknown): string | undefined {
  return typeof text === 'string' ? clip(text, MAX_WORDS) : undefined
}

/** What is taken of a list. `room` is left for all lists together. */
class Taken {
  readonly items: JsonObject[] = []
  readonly #room: { bytes: number }
  /** How much its pages have brought, taken or not. */
  #broughtBytes = 0
  #bytes = 0
  #isCut = false

  constructor(room: { bytes: number }) {
    this.#room = room
  }

  get isFull(): boolean {
    return this.#isCut || this.#broughtBytes >= LIST_BYTES || this.items.length >= MAX_ITEMS
  }

  /** Whether something was left out. */
  get isCut(): boolean {
    return this.#isCut
  }

  /** An item that is too large is left out; those behind it may fit. */
  add(item: JsonObject): void {
    this.#broughtBytes += weightOf(item)
    const shown = withoutDepths(item)
    const bytes = weightOf(shown)
    if (this.items.length >= MAX_ITEMS || this.#bytes + bytes > LIST_BYTES || bytes > this.#room.bytes) {
      this.#isCut = true
      return
    }
    this.#bytes += bytes
    this.#room.bytes -= bytes
    this.items.push(shown)
  }
}

/** A list that the server refuses does not take the others along. */
async function list(client: UpstreamClient, method: string, key: string, room: { bytes: number }): Promise<Offered> {
  const taken = new Taken(room)
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
    return error.code === METHOD_NOT_FOUND ? NOTHING : { items, error: clip(error.message, MAX_WORDS) }
  }
  const hasMore = typeof cursor === 'string' || taken.isCut
  return { items, ...(hasMore && { hasMore }) }
}
