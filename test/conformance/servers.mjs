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

/** Each a program below test/fixtures that prints its URL, and the kind of server that it is. */
const SERVERS = {
  'dual-era': { program: 'dual-era-server.mjs', options: [], type: /** @type {const} */ ('http') },
  'modern-only': { program: 'dual-era-server.mjs', options: ['--modern-only'], type: /** @type {const} */ ('http') },
  'legacy-only': { program: 'dual-era-server.mjs', options: ['--legacy-only'], type: /** @type {const} */ ('http') },
  // Its tools ask as `server.elicitInput()` of the SDKs does: in the session's own stream.
  'asking in session': {
    program: 'dual-era-server.mjs',
    options: ['--legacy-only', '--ask-in-session'],
    type: /** @type {const} */ ('http'),
  },
  // And what it does while nobody reads is lost.
  'asking in session without ids': {
    program: 'dual-era-server.mjs',
    options: ['--legacy-only', '--ask-in-session', '--without-ids'],
    type: /** @type {const} */ ('http'),
  },
  // The same fixture behind the transport of 2024-11-05, at which the suite asks nothing directly.
  sse: { program: 'dual-era-sse.mjs', options: [], type: /** @type {const} */ ('sse') },
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
  const { program, options, type } = SERVERS[name]
  const child = spawn(process.execPath, [join(FIXTURES, program), ...options], { stdio: ['ignore', 'pipe', 'inherit'] })
  const closed = once(child, 'close')
  const lines = createInterface({ input: child.stdout })
  const [url] = await Promise.race([
    once(lines, 'line'),
    closed.then(() => Promise.reject(new Error(`The server "${name}" did not start`))),
  ])
  return {
    url: String(url),
    /** The entry of `servers` that a gateway is given. */
    entry: { type, url: String(url) },
    async close() {
      child.kill()
      await closed
    },
  }
}
