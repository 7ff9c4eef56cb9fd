/** The servers as OAuth protected resources: their URIs, their metadata and its URLs. (RFC 9728; AU2 to AU5) */
import type {
  Authenticate,
  BearerAuthenticate,
  GatewayOptions,
  GatewayRequest,
  ProtectedResource,
} from '../../types.ts'
import { inHookTime } from '../../util/hook-timeout.ts'
import { rejectUnknown } from '../../util/unknown-key.ts'
import type { ChallengeInfo } from './challenge.ts'
import { compileResource, isAudience, withoutSlash } from './resource.ts'
import { checkScopes } from './scopes.ts'

export type Metadata = Readonly<Record<string, unknown>>

type Given = Pick<GatewayOptions, 'authenticate' | 'protectedResource' | 'publicUrl' | 'servers'>

/** Finds the server's name in a path below the mount. */
type FindServer = (path: string) => string | undefined

const WELL_KNOWN = '/.well-known/oauth-protected-resource'

const OPTIONS: Readonly<Record<keyof ProtectedResource, true>> = {
  authorizationServers: true,
  scopes: true,
  scopesSupported: true,
  documentationUrl: true,
  has: true,
}

/** `findServer` is compiled from the option `path`. Throws a TypeError that names the option and the cure. */
export function parseProtectedResource(given: Given, path: string, findServer: FindServer): ProtectedServers {
  const { authenticate, protectedResource: option, publicUrl, servers } = given
  if (option !== undefined) checkOption(option, authenticate)
  const hook = authenticate !== false && isBearer(authenticate) ? authenticate : undefined
  if (publicUrl === undefined) {
    if (option) throw new TypeError('"protectedResource" takes "publicUrl" too: the URIs of the servers begin with it')
    if (hook?.needsResource) {
      throw new TypeError('"authenticate" takes an "audience", or "publicUrl", so that tokens for others are refused')
    }
  } else if (/[?#]/.test(String(publicUrl))) {
    throw new TypeError('"publicUrl" may have neither query nor fragment')
  }
  const described = option || hook ? { authorizationServers: [], ...hook?.protectedResource, ...option } : undefined
  if (described && described.authorizationServers.length === 0) {
    throw new TypeError('"protectedResource.authorizationServers" must name at least one issuer')
  }
  const base = publicUrl === undefined ? undefined : { publicUrl: String(publicUrl), path }
  return new ProtectedServers(described, base, findServer, typeof servers === 'function' ? undefined : servers)
}

function isBearer(authenticate: Authenticate): authenticate is BearerAuthenticate {
  return 'protectedResource' in authenticate
}

function checkOption(option: Partial<ProtectedResource>, authenticate: GatewayOptions['authenticate']): void {
  const fault = (name: string, what: string): TypeError => new TypeError(`"protectedResource${name}" ${what}`)
  rejectUnknown(option, OPTIONS, 'protectedResource.')
  if (authenticate === false) throw fault('', 'is of no use with "authenticate: false", which asks for no token')
  const { authorizationServers = [], scopes = [], scopesSupported = [], documentationUrl, has } = option
  if (!Array.isArray(authorizationServers) || !authorizationServers.every((url) => URL.canParse(String(url)))) {
    throw fault('.authorizationServers', 'must be an array of issuers, which are URLs')
  }
  checkScopes('"protectedResource.scopes"', scopes)
  checkScopes('"protectedResource.scopesSupported"', scopesSupported)
  if (documentationUrl !== undefined && !URL.canParse(documentationUrl)) {
    throw fault('.documentationUrl', 'must be an absolute URL')
  }
  if (has !== undefined && typeof has !== 'function') throw fault('.has', 'must be a function (name, request)')
}

export class ProtectedServers {
  /** The scopes that every request needs. */
  readonly scopes: readonly string[]
  readonly #described: ProtectedResource | undefined
  /** The URI of the mount; `undefined` without `publicUrl`. */
  readonly #mount: string | undefined
  readonly #uriOf: ((server: string) => string) | undefined
  readonly #urlOf: ((server: string) => string) | undefined
  readonly #findServer: FindServer
  /** The path of the mount's metadata at the root of the origin. */
  readonly #rootPath: string
  readonly #titles: ReadonlyMap<string, string | undefined> | undefined

  constructor(
    described: ProtectedResource | undefined,
    base: { readonly publicUrl: string; readonly path: string } | undefined,
    findServer: FindServer,
    servers: Readonly<Record<string, { readonly title?: string | undefined }>> | undefined,
  ) {
    this.scopes = described?.scopes ?? []
    this.#described = base && described
    this.#findServer = findServer
    this.#titles = servers && new Map(Object.entries(servers).map(([name, { title }]) => [name, title]))
    this.#uriOf = base && compileResource(base.publicUrl, base.path)
    this.#mount = base?.publicUrl.replace(/\/$/, '')
    this.#urlOf = this.#described && compileResource(this.#mount + WELL_KNOWN, base?.path ?? '')
    this.#rootPath = base ? WELL_KNOWN + new URL(base.publicUrl).pathname.replace(/\/$/, '') : ''
  }

  /** The canonical URI of a server's endpoint, of the mount for an empty name; `undefined` without `publicUrl`. */
  uriOf(server: string): string | undefined {
    return server === '' ? this.#mount : this.#uriOf?.(server)
  }

  /** The server whose endpoint has this URI, in whichever spelling; `undefined` for any other, and for the mount. */
  serverOf(resource: string): string | undefined {
    const mount = this.#mount
    if (mount === undefined || resource.slice(0, mount.length).toLowerCase() !== mount.toLowerCase()) return undefined
    try {
      const server = this.#findServer(withoutSlash(resource.slice(mount.length)) || '/')
      return server !== undefined && isAudience(resource, this.#uriOf!(server)) ? server : undefined
    } catch {
      return undefined
    }
  }

  /** The parts of a challenge that depend on this server. */
  asked(server: string): ChallengeInfo {
    return { metadataUrl: server === '' ? undefined : this.#urlOf?.(server), scopes: this.scopes }
  }

  /** The server whose metadata is at this URL below the mount. */
  belowMount(url: string | undefined): string | undefined {
    return this.#described && this.#named(url, WELL_KNOWN)
  }

  /** The server whose metadata is at this URL of the origin, where RFC 9728 puts it. (section 3.1) */
  atRoot(url: string | undefined): string | undefined {
    return this.#described && this.#named(url, this.#rootPath)
  }

  /** The metadata document of a server; `undefined` for an unknown one. */
  async metadataOf(server: string, request: GatewayRequest): Promise<Metadata | undefined> {
    const { authorizationServers, scopes, scopesSupported = scopes, documentationUrl, has } = this.#described!
    const isThere = has
      ? await inHookTime(has(server, request), '"protectedResource.has"')
      : (this.#titles?.has(server) ?? true)
    if (!isThere) return undefined
    const title = this.#titles?.get(server)
    return {
      resource: this.uriOf(server),
      ...(title !== undefined && { resource_name: title }),
      authorization_servers: authorizationServers,
      ...(scopesSupported?.length && { scopes_supported: scopesSupported }),
      bearer_methods_supported: ['header'],
      ...(documentationUrl !== undefined && { resource_documentation: documentationUrl }),
    }
  }

  #named(url: string | undefined, prefix: string): string | undefined {
    if (url?.startsWith(prefix) !== true) return undefined
    const rest = url.slice(prefix.length)
    if (rest.startsWith('/')) return this.#findServer(rest)
    return rest === '' || rest.startsWith('?') ? this.#findServer(`/${rest}`) : undefined
  }
}
