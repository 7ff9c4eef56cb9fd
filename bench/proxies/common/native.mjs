// @ts-check
// Starts a proxy that is a program of the system, configured in a folder of its own under the system's temporary one.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './free-port.mjs'

const START_MS = 5_000

/**
 * @param {string} command
 * @param {(folder: string, file: string) => string[]} args
 * @param {(port: number, folder: string) => string} config
 */
export async function startNative(command, args, config) {
  const folder = mkdtempSync(join(tmpdir(), `bench-${command}-`))
  const file = join(folder, `${command}.conf`)
  const port = await freePort()
  writeFileSync(file, config(port, folder))
  const child = spawn(command, args(folder, file), { stdio: ['ignore', 'ignore', 'inherit'] })
  const end = () => {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await Promise.race([failed(child), accepts(port)])
  } catch (error) {
    end()
    throw error
  }
  return { port, pid: Number(child.pid), end }
}

/** @param {import('node:child_process').ChildProcess} child @returns {Promise<never>} */
function failed(child) {
  return new Promise((_, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`${child.spawnfile} ended with ${code}`)))
  })
}

/** @param {number} port */
async function accepts(port) {
  for (const end = performance.now() + START_MS; performance.now() < end;) {
    if (await new Promise((resolve) => probe(port, resolve))) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`nobody listens on port ${port}`)
}

/** @param {number} port @param {(open: boolean) => void} told */
function probe(port, told) {
  const socket = net.connect(port, '127.0.0.1')
  socket.once('connect', () => told(socket.end().writableEnded))
  socket.once('error', () => told(false))
}
