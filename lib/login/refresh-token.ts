/** The values of refresh tokens: a grant and a count, authenticated. The store has neither tokens nor digests of them. */
import type { Secrets } from './secrets.ts'

/** What a refresh token says. */
export interface RefreshTokenContent {
  readonly grant: string
  /** How many tokens of this grant came before. */
  readonly count: number
}

const GRANT_LENGTH = 16
const COUNT_LENGTH = 4

/** The value is the same wherever and however often it is made, so two refreshes at once get the same successor. */
export function formatRefreshToken({ grant, count }: RefreshTokenContent, secrets: Secrets): string {
  const head = Buffer.alloc(GRANT_LENGTH + COUNT_LENGTH)
  Buffer.from(grant, 'base64url').copy(head)
  head.writeUInt32BE(count, GRANT_LENGTH)
  return Buffer.concat([head, secrets.digest(head)]).toString('base64url')
}

/** `undefined` for a value that none of the secrets has made, in exactly this spelling. */
export function parseRefreshToken(value: string, secrets: Secrets): RefreshTokenContent | undefined {
  const bytes = Buffer.from(value, 'base64url')
  if (bytes.length <= GRANT_LENGTH + COUNT_LENGTH || bytes.toString('base64url') !== value) return undefined
  const head = bytes.subarray(0, GRANT_LENGTH + COUNT_LENGTH)
  if (!secrets.hasMade(bytes.subarray(head.length), head)) return undefined
  return { grant: head.toString('base64url', 0, GRANT_LENGTH), count: head.readUInt32BE(GRANT_LENGTH) }
}
