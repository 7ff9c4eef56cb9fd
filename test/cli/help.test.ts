import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { HELP } from '../../lib/cli/help.ts'

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'command-line.md'), 'utf8')
const optionsOf = (text: string): string[] => Array.from(text.matchAll(/--[a-z-]+/g), ([option]) => option)

test('--help and docs/command-line.md have the same options', () => {
  const listed = Array.from(HELP.matchAll(/^ {2}(?:-\w, | {4})(--[a-z-]+)/gm), ([, option]) => option!)
  const rows = Array.from(page.matchAll(/^\| (`-.*?)(?: \|)/gm)).flatMap(([, cell]) => optionsOf(cell!))
  expect(listed.length).toBeGreaterThan(10)
  expect(rows.toSorted()).toEqual(listed.toSorted())
})

test('--help fits a terminal of 100 columns', () => {
  expect(HELP.split('\n').filter((line) => line.length > 100)).toEqual([])
})
