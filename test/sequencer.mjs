// @ts-check
// Which test file begins when. Jest begins with the longest where it remembers them, which a clean clone does not: one that
// lasts a minute and begins last keeps a single processor busy in the end.
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, relative, sep } from 'node:path'

const { default: TestSequencer } = createRequire(import.meta.url)('@jest/test-sequencer')

const FIRST = [
  // They collect garbage again and again, which takes four times as long in a process that many files have run in.
  'faults/bounds',
  'upstream/aggregate/bounds',
  'faults/recovery-bounds',
  'faults/sessions',
  'faults/directory-bounds',
  // They last longest.
  'examples',
  'directory/browser/try-it',
  'many-nodes',
  'many-nodes-streams',
  'streams/slow-clients',
  'directory/browser',
  'packaging',
  'clients-matrix',
  'upstream/aggregate/nodes',
  'layers/event-log/resumption',
  'stdio/stdio',
  'layers/ask-to-connect/clients',
  'cli/serve',
  'cli/check',
  'login/chromium',
  'clients',
  'streams/resumption',
  'stdio/real-servers',
  'session/abandoned',
  'faults/trace-headers',
  'stdio/leaks',
  'login/pages/browser',
  'upstream/aggregate/kill',
  'clients-aggregate',
  'opentelemetry/one-trace',
  'opentelemetry/whole-trace',
  'redis-cluster',
  'stores/redis-cluster',
  'readme',
].map((name) => `test/${name}.test.ts`)

for (const path of FIRST) {
  if (!existsSync(join(import.meta.dirname, '..', path)))
    throw new Error(`test/sequencer.mjs names ${path}, which is not there`)
}

/** @typedef {{ path: string, context: { config: { rootDir: string } } }} TestFile */

export default class LongestFirst extends TestSequencer {
  /** @param {TestFile[]} files */
  sort(files) {
    /** @type {(file: TestFile) => number} */
    const rank = ({ path, context }) => {
      const at = FIRST.indexOf(relative(context.config.rootDir, path).split(sep).join('/'))
      return at === -1 ? FIRST.length : at
    }
    /** @type {TestFile[]} */
    // oxlint-disable-next-line unicorn/no-array-sort -- it is not that of an array
    const usual = super.sort(files)
    return usual.toSorted((one, other) => rank(one) - rank(other))
  }
}
