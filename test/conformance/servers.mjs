// @ts-check
// The servers behind, by name: fixtures, each in a process of its own, as a server behind a gateway is.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** @typedef {keyof typeof SERVERS} ServerName */

/** Each a program below test/fixtures that prints its URL, with its arguments. @satisfies {Record<string, string[]>} */
const SERVERS = {
  'dual-era': ['dual-era-server.mjs'],
  'modern-only': ['dual-era-server.mjs', '--modern-only'],
}

/** @param {ServerName} name */
export async function startServer(name) {
  const [program = '', ...options] = SERVERS[name]
  const path = join(import.meta.dirname, '../fixtures', program)
  const child = spawn(process.execPath, [path, ...options], { stdio: ['ignore', 'pipe', 'inherit'] })
  const closed = once(child, 'close')
  const lines = createInterface({ input: child.stdout })
  const [url] = await Promise.race([
    once(lines, 'line'),
    closed.then(() => Promise.reject(new Error(`The server "${name}" did not start`))),
  ])
  return {
    url: String(url),
    async close() {
      child.kill()
      await closed
    },
  }
}
