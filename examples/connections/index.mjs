// @ts-check
// Each user's own account at a service: an agent is told where to connect it, the user does, and the agent calls the
// service as that account. A link that is stolen is worth nothing.
import assert from 'node:assert/strict'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { UrlElicitationRequiredError } from '@modelcontextprotocol/sdk/types.js'
import { startApp } from './app.mjs'
import { Browser } from './browser.mjs'
import { startService } from './service.mjs'

const service = await startService((account) => {
  const mcp = new McpServer({ name: 'tickets', version: '1.0.0' })
  mcp.registerTool('whoami', {}, () => ({ content: [{ type: 'text', text: account }] }))
  return mcp
})
const app = await startApp(service)

/** An agent of a user: what the tool answers, or the link that it is told. @param {string} user */
async function call(user) {
  const agent = new Client({ name: 'agent', version: '1.0.0' })
  const headers = { 'x-api-key': `key-of-${user}` }
  try {
    await agent.connect(new StreamableHTTPClientTransport(new URL(app.url), { requestInit: { headers } }))
    const { content } = await agent.callTool({ name: 'whoami', arguments: {} })
    return { account: /** @type {{ text: string }[]} */ (content)[0]?.text }
  } catch (error) {
    if (!(error instanceof UrlElicitationRequiredError)) throw error
    assert(error.message.includes(error.elicitations[0]?.url ?? '-'))
    return { link: error.elicitations[0]?.url ?? '' }
  } finally {
    await agent.close()
  }
}

/** A browser in which a user has an account at the service. @param {string} account */
function browserWith(account) {
  const browser = new Browser()
  browser.setCookie(service.origin, 'account', account)
  return browser
}

const { link = '' } = await call('ada')
assert.equal((await call('ada')).link, link)
console.log('The agent of ada is told a link, as data and in the message; the same one as long as it is open.')

const thief = browserWith('lovelace')
const refused = await thief.openAs(link, 'bob')
assert.equal(refused.status, 403)
assert(!refused.text.includes('ada'))
console.log('The link is stolen: bob is refused, and told nothing.')

const browser = browserWith('lovelace')
const page = await browser.openAs(link, 'ada')
assert.equal(page.status, 200)
const done = await browser.press(page, { decision: 'connect' })
assert.equal(done.status, 200)
assert.deepEqual(await call('ada'), { account: 'lovelace' })
console.log('ada opens it, connects her account, and her agent is "lovelace" for the service.')

const again = await browser.open(link)
assert.notEqual(again.status, 200)
console.log('The link is used up.')

const { link: other = '' } = await call('bob')
const second = browserWith('builder')
await second.press(await second.openAs(other, 'bob'), { decision: 'connect' })
assert.deepEqual(await call('bob'), { account: 'builder' })
assert.deepEqual(await call('ada'), { account: 'lovelace' })
console.log('bob connects his: two users, two accounts.')

const list = await browser.open(`${app.origin}/connections/`)
const key = /name="connection" value="([^"]*)"/.exec(list.text)?.[1] ?? ''
const before = service.valid()
await browser.press(list, { connection: key })
assert.equal(service.valid(), before - 2)
assert('link' in (await call('ada')))
assert.deepEqual(await call('bob'), { account: 'builder' })
console.log('ada disconnects hers: her tokens are revoked at the service, and her agent is told a link again.')

await app.close()
service.close()
