// The script of the pages is what its source makes, and is small.
import { gzipSync } from 'node:zlib'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SCRIPT } from '../../lib/directory/script.ts'
import { pageScript } from '../../.ci/page-script.mjs'

test('script.ts is up to date: node .ci/page-script.mjs', () => {
  const file = join(import.meta.dirname, '../../lib/directory/script.ts')
  expect(readFileSync(file, 'utf8') === pageScript()).toBe(true)
})

test('it is smaller than 36 KiB, 14 KiB compressed', () => {
  expect(SCRIPT.length).toBeLessThan(36 * 1024)
  expect(gzipSync(SCRIPT).length).toBeLessThan(14 * 1024)
})

test('it parses no HTML and evaluates no text', () => {
  expect(SCRIPT).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|DOMParser|document\.write|\beval\b|new Function/)
})
