/** What is derived from the option `secrets`: sealed texts of forms, and the codes that authenticate refresh tokens. */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'

/** What a sealed text is for: one of another purpose does not open. */
export type SealPurpose = 'consent' | 'goOn' | 'agents'

interface DerivedKeys {
  readonly seal: Buffer
  readonly mac: Buffer
}

const IV_LENGTH = 12
const TAG_LENGTH = 16
const DIGEST_LENGTH = 24

/** The first secret seals, all of them open: so that secrets can be rotated while people log in. */
export class Secrets {
  readonly #keys: readonly DerivedKeys[]

  constructor(secrets: readonly string[]) {
    this.#keys = secrets.map((secret) => ({ seal: derive(secret, 'seal'), mac: derive(secret, 'refresh token') }))
  }

  /** Encrypts and authenticates a value for `ttlS`. (AES-256-GCM) */
  seal(purpose: SealPurpose, value: unknown, ttlS: number): string {
    const iv = randomBytes(IV_LENGTH)
    const cipher = createCipheriv('aes-256-gcm', this.#keys[0]!.seal, iv).setAAD(Buffer.from(purpose))
    const text = JSON.stringify([Date.now() + ttlS * 1_000, value])
    return Buffer.concat([iv, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64url')
  }

  /** The value that was sealed; `undefined` for any other text, and when its time is over. */
  open(purpose: SealPurpose, sealed: string): unknown {
    const bytes = Buffer.from(sealed, 'base64url')
    if (bytes.length <= IV_LENGTH + TAG_LENGTH) return undefined
    for (const { seal } of this.#keys) {
      const text = decrypt(seal, bytes, purpose)
      if (text === undefined) continue
      const [endsAt, value] = JSON.parse(text) as [number, unknown]
      return endsAt > Date.now() ? value : undefined
    }
    return undefined
  }

  /** Authenticates bytes. */
  digest(bytes: Buffer): Buffer {
    return digestWith(this.#keys[0]!.mac, bytes)
  }

  /** Whether a digest was made of these bytes with one of the secrets. */
  hasMade(digest: Buffer, bytes: Buffer): boolean {
    if (digest.length !== DIGEST_LENGTH) return false
    return this.#keys.some(({ mac }) => timingSafeEqual(digestWith(mac, bytes), digest))
  }
}

function derive(secret: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `express-mcp-gateway login ${purpose}`, 32))
}

function digestWith(key: Buffer, bytes: Buffer): Buffer {
  return createHmac('sha256', key).update(bytes).digest().subarray(0, DIGEST_LENGTH)
}

function decrypt(key: Buffer, bytes: Buffer, purpose: SealPurpose): string | undefined {
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, IV_LENGTH))
  decipher.setAAD(Buffer.from(purpose)).setAuthTag(bytes.subarray(-TAG_LENGTH))
  try {
    return decipher.update(bytes.subarray(IV_LENGTH, -TAG_LENGTH), undefined, 'utf8') + decipher.final('utf8')
  } catch {
    return undefined
  }
}
