/** What oidc-provider calls its storage: an adapter over the store, which keeps nothing that is not needed. */
import { errors } from 'oidc-provider'
import type { LoginStore } from '../types.ts'
import { engineCall } from './engine-call.ts'
import type { GrantRecord, Grants } from './grants.ts'
import { formatRefreshToken, parseRefreshToken } from './refresh-token.ts'
import type { Secrets } from './secrets.ts'
import { storeKey } from '../stores/login-store-key.ts'
import { ClientRefused, type ClientSource, type FoundClient } from './types.ts'

type Payload = Readonly<Record<string, unknown>>

/** The functions that the engine calls, for one kind of record. */
export interface EngineAdapter {
  upsert(id: string, payload: Payload, expiresIn: number): Promise<void>
  find(id: string): Promise<Payload | undefined>
  consume(id: string): Promise<void>
  destroy(id: string): Promise<void>
  revokeByGrantId(grantId: string): Promise<void>
  findByUid(uid: string): Promise<undefined>
}

export interface AdapterParts {
  readonly store: LoginStore
  readonly grants: Grants
  readonly clients: ClientSource
  readonly secrets: Secrets
}

/** Without the grant, no code and no refresh token is good any more: nothing else has to be revoked. */
const NO_STORAGE: EngineAdapter = {
  upsert: async () => {},
  find: async () => undefined,
  consume: async () => {},
  destroy: async () => {},
  revokeByGrantId: async () => {},
  findByUid: async () => undefined,
}

/** Sessions are kept nowhere, and access tokens are JWTs. */
export function engineAdapter(kind: string, parts: AdapterParts): EngineAdapter {
  const own = KINDS[kind]?.(parts)
  return own ? { ...NO_STORAGE, ...own } : NO_STORAGE
}

const KINDS: Readonly<Record<string, (parts: AdapterParts) => Partial<EngineAdapter>>> = {
  Client: clientAdapter,
  Grant: grantAdapter,
  Interaction: interactionAdapter,
  AuthorizationCode: codeAdapter,
  RefreshToken: refreshTokenAdapter,
}

function clientAdapter({ clients }: AdapterParts): Partial<EngineAdapter> {
  return {
    async find(id) {
      const { clients: found } = engineCall()
      if (!found.has(id)) found.set(id, await clients.find(id).catch(refuseClient))
      const client = found.get(id)
      return client && clientMetadata(client)
    },
  }
}

function refuseClient(error: unknown): never {
  throw error instanceof ClientRefused ? new errors.InvalidClient(error.message) : error
}

/** `native` allows loopback redirects of any port and schemes of apps; `https:` redirects are allowed as well. */
function clientMetadata({ id, name, redirectUris, authMethod, jwks, jwksUri }: FoundClient): Payload {
  return {
    client_id: id,
    client_name: name,
    redirect_uris: redirectUris,
    application_type: 'native',
    response_types: ['code'],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: authMethod,
    ...(jwks && { jwks }),
    ...(jwksUri !== undefined && { jwks_uri: jwksUri }),
  }
}

async function findGrant(grants: Grants, id: string): Promise<GrantRecord | undefined> {
  const { grants: found } = engineCall()
  if (!found.has(id)) found.set(id, await grants.find(id))
  return found.get(id)
}

const inSeconds = (ms: number): number => Math.floor(ms / 1_000)

function grantAdapter({ grants }: AdapterParts): Partial<EngineAdapter> {
  return {
    async find(id) {
      const grant = await findGrant(grants, id)
      return (
        grant && {
          kind: 'Grant',
          jti: id,
          accountId: grant.user,
          clientId: grant.client.id,
          resources: { [grant.resource]: grant.scopes.join(' ') },
          iat: inSeconds(grant.since),
          exp: inSeconds(grant.endsAt),
        }
      )
    },
    async destroy(id) {
      await grants.end(id)
    },
  }
}

/** An interaction lives within one request: what the user is asked is in the form. */
function interactionAdapter(): Partial<EngineAdapter> {
  return {
    async upsert(uid, payload) {
      engineCall().interaction = { uid, payload }
    },
    async find(uid) {
      const { interaction } = engineCall()
      return interaction?.uid === uid ? interaction.payload : undefined
    },
  }
}

/** A code is used once: its record stays until it expires, so that a second use ends the grant. */
function codeAdapter({ store, grants }: AdapterParts): Partial<EngineAdapter> {
  return {
    async upsert(id, payload, expiresIn) {
      // The id is the code itself.
      await store.set(codeKey(id), JSON.stringify({ ...payload, jti: undefined }), { ttlMs: expiresIn * 1_000 })
    },
    async find(id) {
      const value = await store.get(codeKey(id))
      return value === undefined ? undefined : { ...(JSON.parse(value) as Payload), jti: id }
    },
    async consume(id) {
      const value = await store.get(codeKey(id))
      if (value === undefined) throw new errors.InvalidGrant('authorization code has expired')
      const payload = JSON.parse(value) as { exp: number; grantId: string; consumed?: number }
      const consumed = JSON.stringify({ ...payload, consumed: inSeconds(Date.now()) })
      const ttlMs = Math.max(payload.exp * 1_000 - Date.now(), 1)
      if (payload.consumed === undefined && (await store.set(codeKey(id), consumed, { ttlMs, if: value }))) return
      // Somebody else was faster by less than the engine can see.
      await grants.end(payload.grantId)
      throw new errors.InvalidGrant('authorization code already consumed')
    },
  }
}

const codeKey = (id: string): string => storeKey('code', id)

/** A refresh token is a count in its grant, which only ever goes up: the chain of a grant cannot fork. */
function refreshTokenAdapter({ grants, secrets }: AdapterParts): Partial<EngineAdapter> {
  return {
    async find(value) {
      const content = parseRefreshToken(value, secrets)
      const grant = content && (await findGrant(grants, content.grant))
      if (!grant) return undefined
      return {
        kind: 'RefreshToken',
        jti: value,
        accountId: grant.user,
        clientId: grant.client.id,
        grantId: content.grant,
        gty: 'authorization_code',
        resource: grant.resource,
        scope: grant.scopes.join(' '),
        iat: inSeconds(grant.usedAt),
        iiat: inSeconds(grant.since),
        exp: inSeconds(grants.refreshEndsAt(grant)),
        ...(grants.stateOf(grant, content.count) === 'reused' && { consumed: inSeconds(grant.usedAt) }),
      }
    },
    async consume(value) {
      const content = parseRefreshToken(value, secrets)
      const grant = content && (await grants.rotate(content.grant, content.count))
      if (!grant) throw new errors.InvalidGrant('refresh token already used')
      engineCall().nextRefreshToken = formatRefreshToken({ grant: content.grant, count: grant.count }, secrets)
    },
  }
}

/** The id of a refresh token that the engine is about to issue, which is its value. */
export function nextRefreshToken(grantId: string, secrets: Secrets): string {
  const { nextRefreshToken: next, grants } = engineCall()
  return next ?? formatRefreshToken({ grant: grantId, count: grants.get(grantId)?.count ?? 0 }, secrets)
}
