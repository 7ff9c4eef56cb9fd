// A headless browser of the test's own, from the system's package.
import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

const EXECUTABLE = '/usr/bin/chromium'

const isThere = existsSync(EXECUTABLE)
if (!isThere && process.env['CI'] === 'true') throw new Error('chromium is not installed')
if (!isThere) console.warn('chromium is not installed: what needs it is SKIPPED (apt-get install chromium)')

/** For what needs a browser: skipped without one, but in CI. */
export const describeChromium: jest.Describe = isThere ? describe : describe.skip

export function startChromium(): Promise<Browser> {
  const args = ['--no-sandbox', '--disable-gpu', '--disable-background-networking']
  return chromium.launch({ executablePath: EXECUTABLE, headless: true, args })
}
