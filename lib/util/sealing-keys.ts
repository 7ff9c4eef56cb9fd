/** Seals texts with AES-256-GCM: only holders of the secrets can read them, or make ones that can be opened. */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'
import { drawnBytes } from './drawn-bytes.ts'

/** A key derived from a secret for one purpose. */
interface Key {
  /** Identifies the key in a sealed text, so that no other key is tried. */
  readonly name: Buffer
  readonly secret: Buffer
}

const NAME_BYTES = 4
const IV_BYTES = 12
const TAG_BYTES = 16
const SECRET_BYTES = 32

/** How many bytes of a sealed text are its key's name and its iv, which identify it. */
export const SEAL_HEAD_BYTES: number = NAME_BYTES + IV_BYTES

export class SealingKeys {
  readonly #keys: readonly Key[]

  /**
   * `option` names the secrets in errors. The first secret seals, all of them open. The same secrets for another purpose
   * are other keys. Throws a TypeError for secrets that are missing or too short.
   */
  constructor(option: string, secrets: unknown, purpose: string) {
    checkSecrets(option, secrets)
    this.#keys = secrets.map((secret) => keyOf(secret, purpose))
  }

  /** Keys of this process alone: no other node, and no later process, can open what they seal. */
  static random(purpose: string): SealingKeys {
    return new SealingKeys('', [randomBytes(SECRET_BYTES)], purpose)
  }

  /** Seals a text, which can be opened only with the same `bound`. The result is base64url. */
  seal(text: string, bound: string = ''): string {
    const { name, secret } = this.#keys[0]!
    const iv = drawnBytes(IV_BYTES)
    const cipher = createCipheriv('aes-256-gcm', secret, iv).setAAD(authenticated(name, bound))
    const sealed = [name, iv, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]
    return Buffer.concat(sealed).toString('base64url')
  }

  /** Opens a sealed text; `undefined` for one that none of the keys has sealed in exactly this spelling. */
  open(text: string, bound: string = ''): string | undefined {
    const sealed = Buffer.from(text, 'base64url')
    // Base64url allows several spellings of the same bytes, which would be different texts wherever they are compared.
    if (sealed.length <= SEAL_HEAD_BYTES + TAG_BYTES || sealed.toString('base64url') !== text) return undefined
    const name = sealed.subarray(0, NAME_BYTES)
    const key = this.#keys.find((each) => each.name.equals(name))
    if (!key) return undefined
    const decipher = createDecipheriv('aes-256-gcm', key.secret, sealed.subarray(NAME_BYTES, SEAL_HEAD_BYTES))
    decipher.setAAD(authenticated(name, bound)).setAuthTag(sealed.subarray(-TAG_BYTES))
    try {
      return decipher.update(sealed.subarray(SEAL_HEAD_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
    } catch {
      return undefined
    }
  }
}

/** Throws a TypeError that names the option, unless these are secrets that keys can be derived from. */
export function checkSecrets(option: string, secrets: unknown): asserts secrets is readonly (string | Uint8Array)[] {
  if (!Array.isArray(secrets) || secrets.length === 0) {
    throw new TypeError(`${option} must be an array of secrets; the first one seals`)
  }
  if (secrets.every((secret) => secretBytes(secret).length >= SECRET_BYTES)) return
  throw new TypeError(`${option} must be secrets of ${SECRET_BYTES} bytes or characters at least`)
}

function secretBytes(secret: unknown): Uint8Array {
  if (typeof secret === 'string') return Buffer.from(secret)
  return secret instanceof Uint8Array ? secret : new Uint8Array()
}

function keyOf(secret: unknown, purpose: string): Key {
  const derived = Buffer.from(hkdfSync('sha256', secretBytes(secret), '', purpose, 32))
  return { secret: derived, name: createHash('sha256').update(derived).digest().subarray(0, NAME_BYTES) }
}

function authenticated(name: Buffer, bound: string): Buffer {
  return bound === '' ? name : Buffer.concat([name, Buffer.from(bound)])
}
