// @ts-check
// Computes the nodes and the Redis that some users need. `--check` measures the constants anew, and what they predict.
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { plan } from './capacity/model.mjs'

/** @typedef {import('./capacity/model.mjs').Use} Use @typedef {import('./capacity/model.mjs').Plan} Plan */

const CONSTANTS = new URL('./capacity/constants.json', import.meta.url)

const USAGE = `node bench/capacity.mjs [--users N] [...]
  --users      connected at once (10000)
  --sessions   of each user, usually one for each server (2)
  --minutes    that a session lasts (30)
  --streaming  the share of sessions that hold a GET stream open (0.5)
  --calls      of each user in the busiest minute (6)
  --sse        the share of calls that are answered as an event stream (0.5)
  --events     before the result of such a call (3)
  --sealed     sessions are sealed in their ids, not in Redis
  --log        there is an event log, in Redis
  --json       the plan as JSON
  --check      measure: several minutes, and all of two cores; --write keeps the constants`

/** @type {Omit<Use, 'redis' | 'log'>} */
const USUAL = { users: 10_000, sessions: 2, minutes: 30, streaming: 0.5, calls: 6, sse: 0.5, events: 3 }
const SHARES = new Set(['streaming', 'sse'])

/** @param {string[]} args */
async function main(args) {
  const { values } = parseArgs({
    args,
    options: {
      users: { type: 'string' },
      sessions: { type: 'string' },
      minutes: { type: 'string' },
      streaming: { type: 'string' },
      calls: { type: 'string' },
      sse: { type: 'string' },
      events: { type: 'string' },
      sealed: { type: 'boolean', default: false },
      log: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return console.log(USAGE)
  if (values.check) return checkAll(values.write)
  const use = useOf(values)
  const planned = plan(JSON.parse(readFileSync(CONSTANTS, 'utf8')), use)
  console.log(values.json ? JSON.stringify(planned) : describe(use, planned))
}

/** @param {{ [name in keyof typeof USUAL]?: string } & { sealed: boolean, log: boolean }} values @returns {Use} */
function useOf(values) {
  const read = (/** @type {keyof typeof USUAL} */ name) => numberOf(name, values[name])
  return {
    users: read('users'),
    sessions: read('sessions'),
    minutes: read('minutes'),
    streaming: read('streaming'),
    calls: read('calls'),
    sse: read('sse'),
    events: read('events'),
    redis: !values.sealed,
    log: values.log,
  }
}

/** @param {keyof typeof USUAL} name @param {string | undefined} text */
function numberOf(name, text) {
  const number = text === undefined ? USUAL[name] : Number(text)
  const most = SHARES.has(name) ? 1 : Number.MAX_VALUE
  const isZeroRight = name !== 'minutes' && name !== 'users'
  if (text !== '' && number <= most && (number > 0 || (number === 0 && isZeroRight))) return number
  throw new TypeError(`--${name} must be a number${most === 1 ? ' from 0 to 1' : ''}, not "${text}"`)
}

/** @param {Use} use @param {Plan} plan */
function describe({ log }, { demand, gateway, redis }) {
  const lines = [
    `${round(demand.sessions)} sessions, ${round(demand.streams)} idle streams; a second: ${round(demand.opensPerS)} sessions opened, ${round(demand.callsPerS)} calls, ${round(demand.eventsPerS)} events`,
    `gateway: ${round(gateway.cores)} cores of work; ${gateway.nodes} nodes of a core each, one of them to spare, with ${round(gateway.mib)} MiB and ${round(gateway.descriptors)} descriptors`,
  ]
  if (!redis) return [...lines, 'Redis: none'].join('\n')
  const verdict = redis.cores > 0.7 ? 'more than one Redis can do: a cluster' : 'one Redis, and its replica'
  const kept = log ? ', of it the events of ten minutes' : ''
  lines.push(
    `Redis: ${round(redis.commandsPerS)} commands and ${round(redis.megabitsPerS)} Mbit a second, ${round(redis.cores)} of its one core, ${round(redis.mib)} MiB${kept}; ${verdict}`,
  )
  return lines.join('\n')
}

/** Two digits are more than a model deserves. @param {number} value */
function round(value) {
  return Number(value.toPrecision(2)).toLocaleString('en').replaceAll(',', ' ')
}

/** @param {boolean} write */
async function checkAll(write) {
  const { check } = await import('./capacity/check.mjs')
  console.log('| | | predicted | measured | ÷ |\n| --- | --- | ---: | ---: | ---: |')
  const constants = await check((line) => console.error(line), showRows)
  if (write) writeFileSync(CONSTANTS, `${JSON.stringify(constants, rounded, 2)}\n`)
}

/** @param {import('./capacity/check.mjs').Row[]} rows */
function showRows(rows) {
  for (const { what, unit, predicted, measured } of rows) {
    const ratio = predicted === 0 ? '–' : (measured / predicted).toFixed(2)
    console.log(`| ${what} | ${unit} | ${digits(predicted)} | ${digits(measured)} | ${ratio} |`)
  }
}

/** @param {number} value */
function digits(value) {
  return Number(value.toPrecision(3)).toLocaleString('en').replaceAll(',', ' ')
}

/** @param {string} _key @param {unknown} value */
function rounded(_key, value) {
  return typeof value === 'number' ? Number(value.toPrecision(3)) : value
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error instanceof TypeError ? `capacity: ${error.message}\n${USAGE}` : error)
  process.exitCode = error instanceof TypeError ? 2 : 1
})
