// What docs/directory.md says is what the code does.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CARD_TYPE, CATALOG_TYPE } from '../../lib/directory/documents.ts'
import { serverDirectory } from '../../lib/directory/index.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/directory.md'), 'utf8')

test('the table of options has those that serverDirectory() takes, in their order', () => {
  const rows = /^\| Option \|.*\n.*\n((?:\|.*\n)+)/m.exec(page)![1]!
  const documented = Array.from(rows.matchAll(/^\| `(\w+)`/gm), ([, option]) => option)
  expect(() => serverDirectory({ nonsense: 1 } as never)).toThrow(`there are: ${documented.join(', ')}`)
})

test('the media types are those that are sent', () => {
  for (const type of [CARD_TYPE, CATALOG_TYPE]) expect(page).toContain(`\`${type}\``)
})
