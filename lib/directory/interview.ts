/** Asks a server, as one principal, who it is and what it offers. */
import { GatewayError } from '../errors.ts'
import type { Enquiries } from '../inside.ts'
import { isObject, type JsonObject, member } from '../json.ts'
import { META, MODERN_ERRORS } from '../protocol.ts'
import { CLIENT_INFO, RpcError, type Subject, Talk } from './talk.ts'

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

/** How many pages of a list are fetched, and how many items are taken. */
const MAX_PAGES = 20
const MAX_ITEMS = 500

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
export async function interview(enquiries: Enquiries, subject: Subject, deadlineMs: number): Promise<Offer> {
  let talk: Talk | undefined
  let fault: GatewayError | undefined
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      fault = new GatewayError('upstream_timeout', `The server took longer than ${deadlineMs / 1_000} s`)
      talk?.stop(fault)
      reject(fault)
    }, deadlineMs).unref()
  })
  const begin: Begin = (era) => {
    if (fault) throw fault
    return (talk = new Talk(enquiries, subject, era))
  }
  try {
    return await Promise.race([meet(subject, begin), late])
  } catch (error) {
    // The server's words are for the one who asked it.
    throw error instanceof RpcError ? new GatewayError('upstream_refused', `The server says: ${error.message}`) : error
  } finally {
    clearTimeout(timer)
  }
}

type Begin = (era: 'legacy' | 'modern') => Talk

/** UC2: modern first; what answers that with anything but a modern error is asked for a handshake. */
async function meet({ config: { protocol = 'auto' } }: Subject, begin: Begin): Promise<Offer> {
  if (protocol === 'legacy') return meetLegacy(begin('legacy'))
  try {
    return await meetModern(begin('modern'))
  } catch (error) {
    if (protocol === 'modern' || !isLegacySign(error)) throw error
    return meetLegacy(begin('legacy'))
  }
}

function isLegacySign(error: unknown): boolean {
  if (error instanceof RpcError) return !MODERN_ERRORS.has(error.code)
  return error instanceof GatewayError && error.code === 'upstream_refused' && error.status < 500
}

async function meetModern(talk: Talk): Promise<Offer> {
  const said = await talk.ask('server/discover', {})
  const versions = member(said, 'supportedVersions')
  const server = member(member(said, '_meta'), META.serverInfo)
  return listAll(talk, said, server, Array.isArray(versions) ? versions.map(String) : [])
}

async function meetLegacy(talk: Talk): Promise<Offer> {
  const handshake = { protocolVersion: LEGACY_OFFERED, capabilities: {}, clientInfo: CLIENT_INFO }
  try {
    const said = await talk.ask('initialize', handshake)
    await talk.tell('notifications/initialized')
    return await listAll(talk, said, member(said, 'serverInfo'), [String(member(said, 'protocolVersion'))])
  } finally {
    talk.leave()
  }
}

async function listAll(
  talk: Talk,
  said: JsonObject,
  server: unknown,
  protocolVersions: readonly string[],
): Promise<Offer> {
  const capabilities = member(said, 'capabilities')
  const instructions = member(said, 'instructions')
  const lists = await Promise.all(
    LISTS.map(async ([capability, method, key]) =>
      member(capabilities, capability) === undefined ? NOTHING : list(talk, method, key),
    ),
  )
  const [tools, prompts, resources, resourceTemplates] = lists as [Offered, Offered, Offered, Offered]
  return {
    protocolVersions,
    server: isObject(server) ? server : {},
    ...(typeof instructions === 'string' && { instructions }),
    tools,
    prompts,
    resources,
    resourceTemplates,
  }
}

/** A list that the server refuses does not take the others along. */
async function list(talk: Talk, method: string, key: string): Promise<Offered> {
  const items: JsonObject[] = []
  let cursor: unknown
  try {
    for (let page = 0; page < MAX_PAGES && items.length < MAX_ITEMS; page += 1) {
      const result = await talk.ask(method, cursor === undefined ? {} : { cursor })
      const found = member(result, key)
      if (Array.isArray(found)) items.push(...found.filter(isObject))
      cursor = member(result, 'nextCursor')
      if (typeof cursor !== 'string') break
    }
  } catch (error) {
    if (!(error instanceof RpcError)) throw error
    return error.code === METHOD_NOT_FOUND ? NOTHING : { items, error: error.message }
  }
  const hasMore = typeof cursor === 'string' || items.length > MAX_ITEMS
  return { items: items.slice(0, MAX_ITEMS), ...(hasMore && { hasMore }) }
}
