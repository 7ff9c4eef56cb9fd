// @ts-check
// Agents log in with the app's own login: an agent that knows nothing but a URL, a user who allows it in Chromium, and
// disconnects it there. `node index.mjs --serve` waits for an agent of your own instead.
import assert from 'node:assert/strict'
import { chromium } from 'playwright-core'
import { startAgent } from './agent.mjs'
import { startApp } from './app.mjs'

const isServing = process.argv.includes('--serve')
const app = await startApp(isServing ? Number(process.env['PORT'] ?? 3000) : 0)
if (isServing) {
  console.log(`Give your agent ${app.url}, and log in as "ada" with "correct horse battery staple".`)
  console.log(`What is connected is at ${app.origin}/oauth/agents. Ctrl-C ends.`)
} else {
  await check()
}

async function check() {
  const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  const page = await browser.newPage()

  const agent = await startAgent(app.url, async (url) => {
    await page.goto(url.href)
    assert.equal(new URL(page.url()).pathname, '/login')
    console.log('The agent is 401, finds the login by itself, and sends its user there: to the login of the app.')

    await page.getByLabel('Name').fill('ada')
    await page.getByLabel('Password').fill('correct horse battery staple')
    await page.getByRole('button', { name: 'Log in' }).click()
    console.log(`The page asks: ${await page.getByRole('heading', { level: 1 }).textContent()}`)

    await page.getByRole('button', { name: 'Allow' }).click()
    await page.getByText('The agent has its answer.').waitFor()
  })
  assert.equal(await agent.call('whoami'), 'ada')
  console.log('The agent calls a tool, and for the server behind it is ada.')

  await page.goto(`${app.origin}/oauth/agents`)
  await page.getByRole('button', { name: 'Disconnect Example agent' }).click()
  await page.getByText('No agent is connected.').waitFor()
  assert.equal(await agent.status(), 401)
  console.log('She disconnects it: its next request is 401.')

  await agent.close()
  await browser.close()
  await app.close()
}
