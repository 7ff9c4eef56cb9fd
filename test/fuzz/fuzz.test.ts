// Every property of the fuzz suite for a moment, with another seed each time; `npm run fuzz` takes longer over it. In CI it is
// one seed, so that a change is judged by what it changes.
import { properties } from './properties.mjs'
import { World } from './world.mjs'

const seed = process.env['CI'] === 'true' ? 20_260_728 : Math.floor(Math.random() * 2 ** 31)
const world = new World()

beforeAll(async () => {
  process.stdout.write(`fuzz: seed ${seed}\n`)
  await world.start()
})

afterAll(() => world.close())

for (const { name, known, runs, run } of properties) {
  // One that finds a fault that is known does so at once; its `known` goes when the fault is mended.
  const check = known === undefined ? test : test.failing
  check(known === undefined ? name : `${known}: ${name}`, async () => {
    const limits = known === undefined ? { interruptAfterTimeLimit: 4_000 } : { endOnFailure: true }
    const details = await run(world, { seed, numRuns: runs, ...limits, markInterruptAsFailure: false })
    if (!details.failed) return
    const again = `npm run fuzz -- --seed ${seed} --path ${details.counterexamplePath} --only ${JSON.stringify(name)}`
    throw new Error(`${String(details.errorInstance)}\nagain: ${again}`, { cause: details.errorInstance })
  })
}
