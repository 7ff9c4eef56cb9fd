// @ts-check
// `npm run fuzz -- [--seconds 60] [--seed N] [--only text] [--path P]`: every property in turn, until time is up.
import { parseArgs } from 'node:util'
import fc from 'fast-check'
import buildWhenStale from '../build-when-stale.mjs'
import { properties } from './properties.mjs'
import { World } from './world.mjs'

const text = { type: /** @type {const} */ ('string') }
const { values } = parseArgs({
  options: { seconds: { ...text, default: '60' }, seed: text, only: { ...text, default: '' }, path: text },
})
const first = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed)
const chosen = properties.filter(({ subject, name }) => subject === values.only || name.includes(values.only))
if (chosen.length === 0) throw new TypeError(`--only ${values.only}: no property is called that`)

buildWhenStale()
const world = new World()
const until = Date.now() + Number(values.seconds) * 1_000
/** @type {Map<string, number>} */
const runs = new Map()
/** @type {Set<string>} */
const found = new Set()
console.log(`seed ${first}, ${chosen.length} properties, ${values.seconds} s`)

// A path belongs to one seed.
const seeds = values.path === undefined ? Infinity : 1
for (let seed = first; seed < first + seeds && Date.now() < until && found.size < chosen.length; seed += 1) {
  for (const { name, subject, known, runs: few, run } of chosen) {
    if (found.has(name) || Date.now() >= until) continue
    const details = await run(world, {
      seed,
      numRuns: few * 5,
      ...(values.path !== undefined && { path: values.path }),
      interruptAfterTimeLimit: Math.min(10_000, Math.max(2_000, until - Date.now())),
      markInterruptAsFailure: false,
    })
    runs.set(name, (runs.get(name) ?? 0) + details.numRuns)
    if (!details.failed) continue
    found.add(name)
    const again = `--seed ${seed} --path ${details.counterexamplePath} --only ${JSON.stringify(name)}`
    console.log(`\nFOUND (${subject}${known ? `, known as ${known}` : ''}) after ${runs.get(name)} runs: ${name}`)
    console.log(`  again: npm run fuzz -- ${again}`)
    console.log(`  input: ${fc.stringify(details.counterexample).slice(0, 2_000)}`)
    console.log(`  ${String(details.errorInstance).slice(0, 2_000)}`)
  }
}
await world.close()

console.log('')
for (const { name, subject } of chosen) {
  console.log(
    `${found.has(name) ? 'FOUND' : 'held '} ${String(runs.get(name) ?? 0).padStart(6)} runs  ${subject}: ${name}`,
  )
}
console.log(`\n${found.size} of ${chosen.length} properties do not hold; seed ${first}`)
process.exitCode = found.size === 0 ? 0 : 1
