// @ts-check
// Builds dist/ before the first test when it is missing or older than the source: examples run what users run.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** @param {string} folder */
const newestIn = (folder) =>
  Math.max(
    ...readdirSync(folder, { recursive: true, withFileTypes: true }).map(
      (entry) => statSync(`${entry.parentPath}/${entry.name}`).mtimeMs,
    ),
  )

export default function buildWhenStale() {
  const sources = Math.max(newestIn(`${root}/lib`), statSync(`${root}/tsconfig.json`).mtimeMs)
  if (existsSync(`${root}/dist`) && newestIn(`${root}/dist`) > sources) return

  // Built beside dist/ and moved into place, so that nobody ever reads half a build.
  const fresh = `${root}/dist.${process.pid}`
  const tsc = createRequire(import.meta.url)
    .resolve('typescript/package.json')
    .replace('package.json', 'bin/tsc')
  const { status, stdout } = spawnSync(process.execPath, [tsc, '--outDir', fresh], { cwd: root, encoding: 'utf8' })
  if (status !== 0) process.stderr.write(`lib/ does not type-check; the tests run on what was emitted:\n${stdout}\n`)
  rmSync(`${root}/dist`, { recursive: true, force: true })
  try {
    renameSync(fresh, `${root}/dist`)
  } catch {
    // Another run has just put its own build there.
    rmSync(fresh, { recursive: true, force: true })
  }
}
