// What differs between installations, from the environment. What is missing is said at once, by its name.
import type { JWK } from 'jose'

export interface Settings {
  readonly port: number
  readonly host: string
  /** The origin that browsers and agents see. */
  readonly publicUrl: string
  readonly redisUrl: string
  readonly crm: { readonly url: string; readonly token: string }
  /** The same on every node. */
  readonly secrets: { readonly session: string; readonly login: string; readonly gateway: string }
  /** Signs the tokens of agents. */
  readonly signingKey: JWK
  /** How long a node that leaves still accepts requests, and then how long calls may take to end, in milliseconds. */
  readonly leaveMs: number
  readonly graceMs: number
}

export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const missing: string[] = []
  const required = (name: string): string => {
    const value = env[name]
    if (!value) missing.push(name)
    return value ?? ''
  }
  const signingKey = required('SIGNING_KEY')
  const settings = {
    port: Number(env['PORT'] ?? 3000),
    host: env['HOST'] ?? '127.0.0.1',
    publicUrl: required('PUBLIC_URL'),
    redisUrl: required('REDIS_URL'),
    crm: { url: required('CRM_URL'), token: required('CRM_TOKEN') },
    secrets: {
      session: required('SESSION_SECRET'),
      login: required('LOGIN_SECRET'),
      gateway: required('GATEWAY_SECRET'),
    },
    leaveMs: Number(env['LEAVE_MS'] ?? 1_000),
    graceMs: Number(env['GRACE_MS'] ?? 10_000),
  }
  if (missing.length > 0) throw new Error(`Set ${missing.join(', ')}: see README.md`)
  return { ...settings, signingKey: JSON.parse(signingKey) as JWK }
}
