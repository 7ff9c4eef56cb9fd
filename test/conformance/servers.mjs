// @ts-check
// The servers behind, by name: one fixture, in a process of its own as a server behind a gateway is, or at the end of a
// pipe that the gateway opens itself.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { servePipe } from '../fixtures/dual-era-pipe.mjs'

/**
 * @typedef {import('./gateway.mjs').Lib} Lib
 * @typedef {import('../../lib/index.ts').ServerConfig} ServerConfig
 * @typedef {keyof typeof SERVERS} ServerName
 * @typedef {keyof typeof PIPES} PipeName
 * @typedef {(lib: Lib) => ServerConfig} Behind the entry of `servers` that a gateway is given
 */

const FIXTURES = join(import.meta.dirname, '../fixtures')

/** Each a program below test/fixtures that prints its URL, with its arguments. @satisfies {Record<string, string[]>} */
const SERVERS = {
  'dual-era': ['dual-era-server.mjs'],
  'modern-only': ['dual-era-server.mjs', '--modern-only'],
}

/** The same fixture without a URL, so that what is asked directly is another one. @satisfies {Record<string, Behind>} */
export const PIPES = {
  stdio: ({ stdio }) => stdio({ command: process.execPath, args: [join(FIXTURES, 'dual-era-pipe.mjs')] }),
  'in process': ({ inProcess }) => inProcess((transport) => servePipe(transport)),
}

/** @param {string} name @returns {name is PipeName} */
export const isPipeName = (name) => Object.hasOwn(PIPES, name)

/** @param {ServerName} name */
export async function startServer(name) {
  const [program = '', ...options] = SERVERS[name]
  const child = spawn(process.execPath, [join(FIXTURES, program), ...options], { stdio: ['ignore', 'pipe', 'inherit'] })
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
