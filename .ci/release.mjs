// @ts-check
// `prepublishOnly`: refuses a release that lacks what its page on npm is made of. node .ci/release.mjs [FOLDER]
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const [folder = '.'] = process.argv.slice(2)
const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
const changelog = readFileSync(join(folder, 'CHANGELOG.md'), 'utf8')

const lacks = ['repository', 'homepage', 'bugs'].filter((field) => manifest[field] === undefined)
const faults = lacks.map(
  (field) => `package.json has no "${field}": the release list in .github/CONTRIBUTING.md sets it`,
)

const version = manifest.version.replaceAll('.', '\\.')
if (!new RegExp(`^## \\[${version}\\] - \\d{4}-\\d\\d-\\d\\d$`, 'm').test(changelog)) {
  faults.push(`CHANGELOG.md has no "## [${manifest.version}] - YYYY-MM-DD"`)
}
if (/^## \[Unreleased\]\s+(?!## )\S/m.test(changelog)) faults.push('CHANGELOG.md has changes under [Unreleased]')

for (const fault of faults) console.error(fault)
process.exitCode = faults.length === 0 ? 0 : 1
