// @ts-check
// `npm run chaos`: clients of both eras over three nodes, with servers of every kind and Redis behind them, while faults
// happen at random. No answer may be lost without an error, none come twice or to another principal, no tool run twice,
// and nothing stay open.
//
//   --minutes N   how long faults happen (1)
//   --seed S      what happens; a new one each time unless given, and printed
//   --clients N   how many clients there are (14)
//   --servers A,B which servers they are clients of (all)
//   --verbose     says each fault as it happens

import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { happen } from './faults.mjs'
import { holdings, keysOfRedis, sessionsAtServers, settle } from './leftovers.mjs'
import { BOUND_MS, Ledger } from './ledger.mjs'
import { LegacyClient } from './legacy-client.mjs'
import { ModernClient, pause } from './modern-client.mjs'
import { randomOf } from './random.mjs'
import { startWorld } from './world.mjs'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: randomBytes(4).toString('hex') },
    clients: { type: 'string', default: '14' },
    servers: { type: 'string', default: 'both,new,old,plain,pipe,local,all' },
    verbose: { type: 'boolean', default: false },
  },
})
const { seed } = values
const began = performance.now()

/** The last of what happened, which is shown with a violation. @type {string[]} */
const trace = []

/** @param {string} text */
function log(text) {
  const line = `${((performance.now() - began) / 1_000).toFixed(2).padStart(7)} s  ${text}`
  trace.push(line)
  if (values.verbose) console.log(line)
}

const ledger = new Ledger()
ledger.onViolation = (text) => {
  log(text)
  if (values.verbose) return
  console.log(trace.splice(0).slice(-12).join('\n'))
}

ledger.onTold = log

/** What nodes reported, by its code. @type {Map<string, number>} */
const reported = new Map()

const world = await startWorld({
  onError(node, { code, text, stack }) {
    log(`${node}: ${code} ${text}`)
    reported.set(code ?? text, (reported.get(code ?? text) ?? 0) + 1)
    if (code === 'internal' || /^(?:Type|Range|Reference|Assertion)Error/.test(text))
      ledger.violate('fault', `${node}: ${stack ?? text}`)
  },
  onViolation: (kind, text) => ledger.violate(kind, text),
})
console.log(`seed ${seed}: ${values.clients} clients for ${values.minutes} minutes`)
const [fresh] = await holdings(world)

/** Sessions of these are at one node. */
const STICKY = new Set(['pipe', 'local', 'all'])
const SERVERS = values.servers.split(',')

/** @param {number} index */
function makeClient(index) {
  const random = randomOf(`${seed} client ${index}`)
  const isLegacy = index % 2 === 0
  const server = /** @type {string} */ (SERVERS[Math.floor(index / 2) % SERVERS.length])
  const principal = `principal-${random.whole(1, 4)}`
  const isSticky = isLegacy && STICKY.has(server)
  let node = random.whole(0, 2)
  const url = () => {
    // One that has lost its node goes to another, and finds that its session is gone.
    const isDown = world.nodes[node]?.port === 0
    if (isDown)
      node = Math.max(
        0,
        world.nodes.findIndex(({ port }) => port !== 0),
      )
    const port = isSticky ? world.nodes[node]?.front.port : world.balancer.port
    return `http://127.0.0.1:${port}/${server}/mcp`
  }
  const name = `${isLegacy ? 'legacy' : 'modern'} client ${index}`
  const options = { name, principal, server, url, random, ledger }
  const client = isLegacy ? new LegacyClient(options) : new ModernClient(options)
  return { client, random, server, isLegacy, name }
}

/** @param {ReturnType<typeof makeClient>} made */
function toolsOf({ server, isLegacy, client }) {
  // That revision has no questions to a user.
  if (client instanceof LegacyClient && client.version === '2025-03-26') return ['echo', 'slow', 'poll']
  // Only `old` is sure to have a session whose own stream somebody reads.
  const session = isLegacy && ['both', 'old', 'plain'].includes(server) ? ['tell', 'ask_in_session'] : []
  const bridged = !isLegacy && ['old', 'plain'].includes(server) ? ['ask_in_session'] : []
  return ['echo', 'slow', 'poll', 'ask', ...session, ...bridged]
}

/** @param {ReturnType<typeof makeClient>} made @param {string} tool @param {boolean} isCalm */
function call({ client, random, server }, tool, isCalm) {
  const prefix = server === 'all' ? `${random.pick(['old', 'new', 'local'])}__` : ''
  const work = { steps: random.whole(1, 6), ms: random.whole(1, isCalm ? 50 : 500) }
  return client.call(prefix + tool, work, !isCalm)
}

const clients = Array.from({ length: Number(values.clients) }, (_, index) => makeClient(index))

/** Every kind of call, which has to be answered within a while. @param {string} when */
async function allIsWell(when) {
  await Promise.all(
    clients.map(async (made) => {
      const until = performance.now() + 45_000
      for (const tool of toolsOf(made)) {
        let outcome = await call(made, tool, true)
        while (outcome.outcome !== 'answer' && performance.now() < until) {
          await pause(1_000)
          outcome = await call(made, tool, true)
        }
        if (outcome.outcome !== 'answer') ledger.violate('not well', `${when}: ${outcome.words}: ${outcome.reason}`)
      }
    }),
  )
}

await allIsWell('before')
log('all is well')
const before = ledger.calls.size
const told = ledger.counts().told
if (told > 0) ledger.violate('not well', `${told} errors before any fault: ${[...ledger.reasons.keys()].join('; ')}`)

let isOver = false
const working = clients.map(async (made) => {
  const work = async () => {
    while (!isOver) {
      const { outcome } = await call(made, made.random.pick(toolsOf(made)), false)
      await pause(made.random.between(0, outcome === 'told' ? 1_500 : 400))
    }
  }
  await Promise.all([work(), work()])
})
const timer = setTimeout(() => (isOver = true), Number(values.minutes) * 60_000)
const faults = await happen(world, randomOf(`${seed} faults`), { isOver: () => isOver, log })
clearTimeout(timer)
log('no more faults')
await Promise.race([Promise.all(working), pause(BOUND_MS)])
const during = ledger.calls.size - before
log('quiet')
await allIsWell('after')
log('all is well again')
await Promise.all(clients.map(({ client }) => client.close()))
for (const left of await settle(world, /** @type {any} */ (fresh))) ledger.violate('left open', ledger.explain(left))
const keys = await keysOfRedis(world)
if (keys.endless.length > 0) ledger.violate('left open', `keys without an end: ${keys.endless.join(', ')}`)
const heaps = (await holdings(world)).map(({ heapBytes }) => heapBytes)
await Promise.all(world.nodes.map((_, at) => world.leaveNode(at, 1_000)))
const living = new Set(world.nodes.map(({ name }) => name))
const sessions = await sessionsAtServers(world)
const { answersLostAndTold } = ledger.judge(world.journal())
await world.close()

const counts = ledger.counts()
/** @param {Map<string, number>} map */
const list = (map) =>
  [...map]
    .toSorted(([, a], [, b]) => b - a)
    .map(([what, count]) => `\n  ${count} x ${what}`)
    .join('')
const kinds = ['lost', 'doubled', 'crossed']
console.log(`
${ledger.calls.size} calls, ${during} of them under faults: ${counts.answer} answered, ${counts.told} told an error, ${counts.left} left by their client
${answersLostAndTold} of those that were told an error had been carried out
slowest ${Math.round(ledger.slowestMs)} ms
faults:${list(faults)}
told:${list(ledger.reasons)}
reported by nodes:${list(reported)}
sessions left at servers: ${Object.entries(sessions)
  .map(([kind, of]) => `${kind} ${of.length} (${of.filter((node) => living.has(node)).length} of the last nodes)`)
  .join(', ')}
keys in Redis, each with an end: ${keys.count - keys.endless.length}
heap of nodes: ${heaps.map((bytes) => `${(bytes / 1024 / 1024).toFixed(1)} MiB`).join(', ')}; fresh ${((fresh?.heapBytes ?? 0) / 1024 / 1024).toFixed(1)} MiB
${kinds.map((kind) => `${kind}: ${ledger.violations.filter((each) => each.kind === kind).length}`).join(', ')}, other violations: ${ledger.violations.filter((each) => !kinds.includes(each.kind)).length}
seed ${seed}, ${((performance.now() - began) / 1_000).toFixed(0)} s`)
console.log(
  ledger.violations.length === 0 ? '\nAs expected.' : `\nNot as expected: ${ledger.violations.length} violations.`,
)
process.exitCode = ledger.violations.length === 0 ? 0 : 1
