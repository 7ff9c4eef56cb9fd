// .ci/release.mjs, which `npm publish` runs: what a release must have before it may go out.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const SCRIPT = join(import.meta.dirname, '..', '.ci', 'release.mjs')
const WHOLE = { version: '1.2.3', repository: {}, homepage: 'https://h.example', bugs: {} }
const RELEASED = '# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-11-22\n\n- All.\n'

const folder = mkdtempSync(join(tmpdir(), 'release-'))

afterAll(() => rmSync(folder, { recursive: true }))

function faultsOf(manifest: object, changelog: string): { faults: string[]; status: number | null } {
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  writeFileSync(join(folder, 'CHANGELOG.md'), changelog)
  const { stderr, status } = spawnSync(process.execPath, [SCRIPT, folder], { encoding: 'utf8' })
  return { faults: stderr.split('\n').filter(Boolean), status }
}

test('a release that has all of it goes out', () => {
  expect(faultsOf(WHOLE, RELEASED)).toEqual({ faults: [], status: 0 })
  expect(faultsOf(WHOLE, RELEASED.replace('## [Unreleased]\n\n', ''))).toEqual({ faults: [], status: 0 })
})

test('one whose repository, homepage or bugs are not said does not', () => {
  const faults = [
    expect.stringMatching(/"repository"/),
    expect.stringMatching(/"homepage"/),
    expect.stringMatching(/"bugs"/),
  ]
  expect(faultsOf({ version: '1.2.3' }, RELEASED)).toEqual({ faults, status: 1 })
})

test('one whose changes are not those of its version does not', () => {
  const other = { ...WHOLE, version: '1.2.4' }
  expect(faultsOf(other, RELEASED)).toEqual({ faults: ['CHANGELOG.md has no "## [1.2.4] - YYYY-MM-DD"'], status: 1 })
  const left = RELEASED.replace('[Unreleased]\n', '[Unreleased]\n\n### Added\n\n- More.\n')
  expect(faultsOf(WHOLE, left)).toEqual({ faults: ['CHANGELOG.md has changes under [Unreleased]'], status: 1 })
})

test('npm publish runs it', async () => {
  const { default: manifest } = await import('../package.json', { with: { type: 'json' } })
  expect(manifest.scripts.prepublishOnly).toBe('node .ci/release.mjs')
})
