// What axe-core says of a page. The page's policy must be lifted: `bypassCSP: true`.
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js')

interface Violation {
  readonly id: string
  readonly impact: string
  readonly nodes: ReadonlyArray<{ readonly html: string }>
}

/** What axe-core finds to be serious or worse. */
export async function seriousFaults(page: Page): Promise<object[]> {
  await page.addScriptTag({ path: AXE })
  const { violations } = await page.evaluate<{ violations: Violation[] }>('axe.run()')
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
  return serious.map(({ id, nodes }) => ({ id, html: nodes[0]?.html }))
}
