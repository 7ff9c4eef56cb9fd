// @ts-check
// A session store in one JSON file: sessions outlive a restart. Small on purpose; it writes the file on every change.
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'

/** @param {string} file @returns {import('express-mcp-gateway').SessionStore} */
export function fileSessionStore(file) {
  /** @type {Map<string, import('express-mcp-gateway').SessionRecord>} */
  const records = new Map(existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : [])
  const save = () => writeFileSync(file, JSON.stringify([...records]), { mode: 0o600 })
  return {
    create(record) {
      const id = randomBytes(24).toString('base64url')
      records.set(id, record)
      save()
      return id
    },
    get: (id) => records.get(id),
    delete(id) {
      if (records.delete(id)) save()
    },
  }
}
