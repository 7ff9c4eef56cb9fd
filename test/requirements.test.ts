// Closes the loop between requirements and tests: each requirement is cited by a test or says why it is not.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { FAMILIES, KNOWN_IDS, REQUIREMENTS } from './requirements.ts'

const OWN_FILES = new Set(['requirements.ts', 'requirements.test.ts'])
const ID = new RegExp(`\\b(?:${FAMILIES.join('|')})\\d+\\b`, 'g')

/** The ids cited below test/, each with the files that do. A comment is no test: what it mentions does not count. */
const cited = new Map<string, string[]>()
for (const file of testFiles('')) {
  const code = readFileSync(join(import.meta.dirname, file), 'utf8').replace(/^\s*(?:\/\/|\/?\*).*$/gm, '')
  for (const id of new Set(code.match(ID))) cited.set(id, [...(cited.get(id) ?? []), file])
}

function testFiles(folder: string): string[] {
  return readdirSync(join(import.meta.dirname, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : testFiles(path)
    return /\.(?:ts|mjs)$/.test(path) && !OWN_FILES.has(path) ? [path] : []
  })
}

const requirements = Object.entries(REQUIREMENTS)

test('the manifest and the tests speak of requirements that exist', () => {
  expect(Object.keys(REQUIREMENTS).filter((id) => !KNOWN_IDS.has(id))).toEqual([])
  expect([...cited].filter(([id]) => !KNOWN_IDS.has(id))).toEqual([])
})

test('every requirement is cited by a test, or pending with a reason', () => {
  const uncited = requirements.filter(([id, { pending }]) => !pending && !cited.has(id))
  expect(uncited.map(([id, { level, revs, text }]) => `${id} [${level} ${revs}] ${text}`)).toEqual([])
})

test('no requirement is pending that a test already cites', () => {
  const kept = requirements.filter(([id, { pending }]) => pending !== undefined && cited.has(id))
  expect(kept.map(([id]) => `${id} is pending, but cited in ${cited.get(id)?.join(', ')}`)).toEqual([])
})
