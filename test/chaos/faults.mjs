// @ts-check
// The faults, and when they happen: a sequence that follows from the seed. Each takes something, does to it what happens
// to such things, and mends it again; what is taken is left alone by the others.
import { pause } from './modern-client.mjs'
import { KINDS } from './world.mjs'

/**
 * @typedef {import('./world.mjs').World} World
 * @typedef {import('./random.mjs').Random} Random
 * @typedef {import('./link.mjs').Link} Link
 * @typedef {{ kind: string, target: string, run: () => Promise<void> }} Fault
 */

/** @param {World} world @param {Random} random */
function faultsOf(world, random) {
  const some = (/** @type {number} */ from, /** @type {number} */ to) => Math.round(random.between(from, to))

  /** @type {() => Link} */
  const anyLink = () =>
    random.pick([
      world.balancer,
      ...world.nodes.flatMap(({ front, redis }) => [front, redis]),
      ...KINDS.map((kind) => world.servers[kind].link),
    ])

  /** @param {import('node:child_process').ChildProcess} child @param {number} ms */
  async function stopFor(child, ms) {
    child.kill('SIGSTOP')
    await pause(ms)
    child.kill('SIGCONT')
  }

  /** @param {Link} link @param {Partial<Link>} state @param {number} ms */
  async function during(link, state, ms) {
    Object.assign(link, state)
    await pause(ms)
    Object.assign(link, { delayMs: 0, isStalled: false, isDown: false })
  }

  /** @type {Record<string, [weight: number, make: () => Fault]>} */
  const kinds = {
    'kill node': [
      3,
      () => {
        const [at, ms] = [random.whole(0, 2), some(0, 2_500)]
        const run = async () => {
          await world.killNode(at)
          await pause(ms)
          await world.startNode(at)
        }
        return { kind: '', target: `node ${at}`, run }
      },
    ],
    'stop node': [
      3,
      () => {
        const at = random.whole(0, 2)
        // Now and then for longer than a lease lasts, so that another node has taken its streams over when it is back.
        const ms = random.chance(0.12) ? some(16_000, 22_000) : some(200, 6_000)
        return { kind: '', target: `node ${at}`, run: () => stopFor(/** @type {any} */ (world.nodes[at]).child, ms) }
      },
    ],
    'leave node': [
      3,
      () => {
        const [at, graceMs, ms] = [random.whole(0, 2), random.pick([0, 300, 2_000]), some(0, 1_000)]
        const run = async () => {
          await world.leaveNode(at, graceMs)
          await pause(ms)
          await world.startNode(at)
        }
        return { kind: '', target: `node ${at}`, run }
      },
    ],
    'set clock': [
      3,
      () => {
        const at = random.whole(0, 2)
        const shiftMs = random.pick([-1, 1]) * random.pick([1_500, 60_000, 3_600_000, 25 * 3_600_000])
        const ms = some(500, 5_000)
        const run = async () => {
          const { child } = /** @type {any} */ (world.nodes[at])
          child.send({ shiftMs })
          await pause(ms)
          child.send({ shiftMs: 0 })
        }
        return { kind: '', target: `node ${at}`, run }
      },
    ],
    'kill server': [
      2,
      () => {
        const [kind, ms] = [random.pick(KINDS), some(0, 2_500)]
        const run = async () => {
          await world.killServer(kind)
          await pause(ms)
          await world.startServer(kind)
        }
        return { kind: '', target: `server ${kind}`, run }
      },
    ],
    'stop server': [
      3,
      () => {
        const [kind, ms] = [random.pick(KINDS), random.chance(0.2) ? some(10_500, 13_000) : some(200, 5_000)]
        return { kind: '', target: `server ${kind}`, run: () => stopFor(world.servers[kind].child, ms) }
      },
    ],
    'kill child process': [2, () => ({ kind: '', target: 'pipe', run: () => signalPipe('SIGKILL') })],
    'stop child process': [
      2,
      () => {
        const ms = some(200, 4_000)
        return { kind: '', target: 'pipe', run: () => signalPipe('SIGSTOP', ms) }
      },
    ],
    'kill redis': [
      2,
      () => {
        const ms = some(0, 2_500)
        const run = async () => {
          await world.killRedis()
          await pause(ms)
          await world.startRedis()
        }
        return { kind: '', target: 'redis', run }
      },
    ],
    'stop redis': [
      2,
      () => {
        const ms = some(200, 5_000)
        const run = async () => {
          world.signalRedis('SIGSTOP')
          await pause(ms)
          world.signalRedis('SIGCONT')
        }
        return { kind: '', target: 'redis', run }
      },
    ],
    'fill redis': [
      2,
      () => {
        const ms = some(500, 5_000)
        const run = async () => {
          await world.askRedis('CONFIG', 'SET', 'maxmemory', '1')
          await pause(ms)
          await world.askRedis('CONFIG', 'SET', 'maxmemory', '0')
        }
        return { kind: '', target: 'redis', run }
      },
    ],
    'reset connections': [
      6,
      () => {
        const [link, share] = [anyLink(), random.pick([0.3, 1])]
        return { kind: '', target: `link ${link.port}`, run: async () => void link.reset(() => random.chance(share)) }
      },
    ],
    'slow link': [
      4,
      () => {
        const [link, delayMs, ms] = [anyLink(), some(20, 400), some(500, 5_000)]
        return { kind: '', target: `link ${link.port}`, run: () => during(link, { delayMs }, ms) }
      },
    ],
    'stall link': [
      4,
      () => {
        const [link, isCut, ms] = [anyLink(), random.chance(0.5), some(300, 5_000)]
        const run = async () => {
          await during(link, { isStalled: true }, isCut ? ms : ms)
          if (isCut) link.reset(() => true)
        }
        return { kind: '', target: `link ${link.port}`, run }
      },
    ],
    'refuse connections': [
      2,
      () => {
        const [link, ms] = [anyLink(), some(200, 3_000)]
        return { kind: '', target: `link ${link.port}`, run: () => during(link, { isDown: true }, ms) }
      },
    ],
  }

  /** @param {NodeJS.Signals} signal @param {number} [ms] */
  async function signalPipe(signal, ms) {
    const pids = world.pipes()
    if (pids.length === 0) return
    const pid = random.pick(pids)
    trySignal(pid, signal)
    if (ms === undefined) return
    await pause(ms)
    trySignal(pid, 'SIGCONT')
  }

  const bag = Object.entries(kinds).flatMap(([kind, [weight]]) => Array.from({ length: weight }, () => kind))
  /** @returns {Fault} */
  return () => {
    const kind = random.pick(bag)
    return { .../** @type {any} */ (kinds[kind])[1](), kind }
  }
}

/** @param {number} pid @param {NodeJS.Signals} signal */
function trySignal(pid, signal) {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended meanwhile.
  }
}

/**
 * Lets faults happen until it is told to end; resolves when all is mended.
 * @param {World} world
 * @param {Random} random
 * @param {{ isOver: () => boolean, log: (text: string) => void }} run
 */
export async function happen(world, random, { isOver, log }) {
  const next = faultsOf(world, random)
  /** @type {Map<string, number>} */
  const counts = new Map()
  /** @type {Map<string, Promise<void>>} */
  const taken = new Map()
  while (!isOver()) {
    await pause(random.between(100, 1_500))
    const { kind, target, run } = next()
    if (taken.has(target)) continue
    counts.set(kind, (counts.get(kind) ?? 0) + 1)
    log(`${kind}: ${target}`)
    const over = run()
      .catch((error) => log(`${kind} failed: ${error}`))
      .then(() => {
        taken.delete(target)
        log(`${kind}: ${target} mended`)
      })
    taken.set(target, over)
  }
  await Promise.all(taken.values())
  return counts
}
