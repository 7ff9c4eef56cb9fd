// @ts-check
// A session store on Keyv, and so in everything that Keyv has an adapter for.
import { createHash, randomBytes } from 'node:crypto'

/**
 * Expiry without use is a key of its own beside the record's. To set the record again on each use would bring a session
 * back that another node has ended in between; for the same reason there is no `update`, as Keyv cannot say "if it is
 * there".
 * @param {import('keyv').Keyv} keyv One with a namespace of its own.
 * @param {{ ttlMs?: number, lifetimeMs?: number }} [limits]
 * @returns {import('express-mcp-gateway').SessionStore}
 */
export function keyvSessionStore(keyv, { ttlMs = 30 * 60_000, lifetimeMs = 24 * 60 * 60_000 } = {}) {
  // Otherwise a database that is down would look like an empty one: 404 in place of 503, and clients start over.
  keyv.throwOnErrors = true
  return {
    async create(record) {
      const id = randomBytes(24).toString('base64url')
      const [key, use] = keysOf(id)
      await keyv.set(key, record, lifetimeMs)
      await keyv.set(use, true, ttlMs)
      return id
    },
    async get(id) {
      const [key, use] = keysOf(id)
      const [record, isUsed] = await keyv.getMany([key, use])
      if (!record || !isUsed) return undefined
      await keyv.set(use, true, ttlMs)
      return record
    },
    async delete(id) {
      await keyv.deleteMany(keysOf(id))
    },
    async close() {
      await keyv.disconnect()
    },
  }
}

/**
 * Hashes, so that whoever reads the database holds no session.
 * @param {string} id @returns {[record: string, use: string]}
 */
function keysOf(id) {
  const key = createHash('sha256').update(id).digest('base64url')
  return [key, `${key}:use`]
}
