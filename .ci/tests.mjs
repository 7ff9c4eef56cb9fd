// Runs the tests that its arguments name, or all. Files that failed, eight at most, are run once more, alone, and both results are
// printed: a fault fails twice, while a real process that a shared machine starved does not. A file that passes only alone is named
// as unstable, and is to be mended.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'

const MAX_FILES_TO_REPEAT = 8
// A run that never ends has left something open, which is a fault, too.
const LIMIT_MS = 900_000

const folder = mkdtempSync(join(tmpdir(), 'tests-'))
const results = join(folder, 'results.json')
const [first, failed] = run(['--json', `--outputFile=${results}`, ...process.argv.slice(2)])
let status = first
if (status !== 0 && failed.length > 0 && failed.length <= MAX_FILES_TO_REPEAT) {
  console.log(`== failed, and run again alone: ${failed.join(' ')}`)
  ;[status] = run(['--runInBand', '--runTestsByPath', ...failed])
  if (status === 0) console.log(`== UNSTABLE, passed only alone: ${failed.join(' ')}`)
}
rmSync(folder, { recursive: true })
process.exitCode = status

/** The exit status of a run, and the files that failed in it. */
function run(args) {
  const { status } = spawnSync('npm', ['test', '--', ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: LIMIT_MS,
  })
  return [status ?? 1, status === 1 ? failuresIn(results) : []]
}

/** None where the run ended before there were any results. */
function failuresIn(file) {
  try {
    const { testResults } = JSON.parse(readFileSync(file, 'utf8'))
    return testResults.filter((each) => each.status === 'failed').map((each) => relative(process.cwd(), each.name))
  } catch {
    return []
  }
}
