// The capacity model of the bench: what it computes, and that docs/scaling.md shows what it prints.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { plan } from '../bench/capacity/model.mjs'

const ROOT = join(import.meta.dirname, '..')
const constants = JSON.parse(readFileSync(join(ROOT, 'bench/capacity/constants.json'), 'utf8'))
const use = {
  users: 10_000,
  sessions: 2,
  minutes: 30,
  streaming: 0.5,
  calls: 6,
  sse: 0.5,
  events: 3,
  redis: true,
  log: true,
}

function capacity(...args: string[]): { stdout: string; stderr: string; status: number | null } {
  const script = join(ROOT, 'bench/capacity.mjs')
  const { stdout, stderr, status } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' })
  return { stdout, stderr, status }
}

test('each command of docs/scaling.md prints what stands there', () => {
  const blocks = readFileSync(join(ROOT, 'docs/scaling.md'), 'utf8').matchAll(
    /^\$ node bench\/capacity\.mjs(.*)\n((?:[^$`\n].*\n)+)/gm,
  )
  const shown = Array.from(blocks, ([, args = '', printed]) => ({
    args: args.trim().split(/\s+/).filter(Boolean),
    printed,
  }))
  expect(shown.length).toBeGreaterThan(1)
  for (const { args, printed } of shown) expect(capacity(...args)).toEqual({ stdout: printed, stderr: '', status: 0 })
})

test('the work is in proportion to the users, and one node is always to spare', () => {
  const one = plan(constants, use)
  const ten = plan(constants, { ...use, users: 10 * use.users })
  expect(ten.gateway.cores / one.gateway.cores).toBeCloseTo(10)
  expect(ten.redis!.commandsPerS / one.redis!.commandsPerS).toBeCloseTo(10)
  expect(ten.redis!.mib - constants.redisMemory.emptyMiB).toBeCloseTo(
    10 * (one.redis!.mib - constants.redisMemory.emptyMiB),
  )
  expect(plan(constants, { ...use, users: 1 }).gateway.nodes).toBe(2)
})

test('calls, streams, sessions and events each cost what was measured of them', () => {
  const idle = { ...use, log: false, calls: 0, streaming: 0, minutes: Infinity }
  expect(plan(constants, idle).gateway.cores).toBe(0)
  const calling = plan(constants, { ...idle, calls: 60, sse: 0 })
  expect(calling.demand.callsPerS).toBe(use.users)
  expect(calling.gateway.cores).toBeCloseTo((use.users * constants.cpuUs.call) / 1e6)
  expect(calling.redis!.commandsPerS).toBeCloseTo(use.users * constants.redis.call.commands)
  const streaming = plan(constants, { ...idle, streaming: 1 })
  expect(streaming.gateway.cores).toBeCloseTo((2 * use.users * constants.cpuUs.idleStreamS) / 1e6)
  const logged = plan(constants, { ...idle, log: true, calls: 60, sse: 1, events: 0 })
  expect(logged.redis!.commandsPerS).toBeCloseTo(use.users * constants.redis.loggedSseCall.commands)
  const opening = plan(constants, { ...idle, minutes: 1 })
  expect(opening.demand.opensPerS).toBeCloseTo((2 * use.users) / 60)
  expect(opening.gateway.cores).toBeGreaterThan(0)
})

test('memory makes nodes, too, and each must hold the descriptors of its streams', () => {
  const streams = { ...use, users: 200_000, calls: 0, minutes: Infinity, streaming: 1, log: false }
  const { gateway } = plan(constants, streams)
  expect(gateway.mib).toBeLessThanOrEqual(1_024)
  expect(gateway.mib).toBeGreaterThan(512)
  expect(gateway.descriptors * (gateway.nodes - 1)).toBeGreaterThanOrEqual(6 * streams.users)
})

test('sealed sessions without an event log need no Redis', () => {
  expect(plan(constants, { ...use, redis: false, log: false }).redis).toBeUndefined()
  expect(plan(constants, { ...use, redis: false }).redis!.commandsPerS).toBeGreaterThan(0)
  expect(capacity('--sealed').stdout).toMatch(/\nRedis: none\n$/)
})

test.each([
  [['--users', 'many'], '--users must be a number, not "many"'],
  [['--users', '0'], '--users must be a number, not "0"'],
  [['--sse', '50'], '--sse must be a number from 0 to 1, not "50"'],
  [['--user', '5'], "Unknown option '--user'"],
])('%j exits with 2, and says why', (args, why) => {
  const { stderr, status, stdout } = capacity(...args)
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  expect(stderr).toContain(why)
})
