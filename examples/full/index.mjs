// @ts-check
// Builds the app of this folder, runs it with a Redis and a server behind, and uses it: agents log in as two users, one of
// whom may do more. Needs redis-server.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { startAgent } from '../agent-login/agent.mjs'
import { Browser } from './browser.mjs'
import { makeCrm } from './crm.mjs'

if (spawnSync('redis-server', ['--version']).status !== 0) {
  console.error('This example needs redis-server.')
  process.exit(1)
}

const ADA = { username: 'ada', password: 'correct horse battery staple' }
const GRACE = { username: 'grace', password: 'there is a moth in the relay' }

// ---- build it: tsc of this repository, into dist/
const tsc = createRequire(import.meta.url)
  .resolve('typescript/package.json')
  .replace('package.json', 'bin/tsc')
const build = spawnSync(process.execPath, [tsc, '-p', import.meta.dirname], { encoding: 'utf8' })
assert.equal(build.status, 0, build.stdout)
console.log('The app is built.')

// ---- Redis, the server behind, and a node of the app
const folder = mkdtempSync(join(tmpdir(), 'full-'))
/** @type {import('node:child_process').ChildProcess[]} */
const processes = []
process.on('exit', () => {
  for (const child of processes) child.kill('SIGKILL')
  rmSync(folder, { recursive: true })
})
const [redisPort, port] = await freePorts(2)
const redis = spawn('redis-server', ['--port', String(redisPort), '--bind', '127.0.0.1', '--save', '', '--dir', folder])
processes.push(redis)
for await (const line of createInterface(redis.stdout)) if (/Ready to accept/.test(line)) break
redis.stdout.resume()

const crm = makeCrm('token-of-the-crm').listen(0, '127.0.0.1')
await once(crm, 'listening')

const origin = `http://127.0.0.1:${port}`
const app = spawn(process.execPath, [join(import.meta.dirname, 'dist', 'main.js')], {
  // oidc-provider warns of Node.js 20.
  stdio: ['ignore', 'pipe', 'inherit'],
  env: {
    ...process.env,
    PORT: String(port),
    PUBLIC_URL: origin,
    REDIS_URL: `redis://127.0.0.1:${redisPort}`,
    CRM_URL: `http://127.0.0.1:${portOf(crm)}/mcp`,
    CRM_TOKEN: 'token-of-the-crm',
    SESSION_SECRET: randomBytes(32).toString('base64url'),
    LOGIN_SECRET: randomBytes(32).toString('base64url'),
    GATEWAY_SECRET: randomBytes(32).toString('base64url'),
    SIGNING_KEY: JSON.stringify(
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }),
    ),
    LEAVE_MS: '100',
  },
})
processes.push(app)
/** @type {string[]} */
const lines = []
createInterface(app.stdout).on('line', (line) => lines.push(line))
await untilTrue(async () => lines.includes(`Listens on ${port}.`) || app.exitCode !== null)
assert.equal(app.exitCode, null)
assert.equal((await fetch(`${origin}/ready`)).status, 200)

// ---- the login of the app
const loginUrl = `${origin}/login?return_to=https://evil.example/`
const wrong = await new Browser().open(loginUrl, { ...ADA, password: 'wrong' })
assert.equal(wrong.url.href, loginUrl)
const right = await new Browser().open(loginUrl, ADA)
assert.equal(right.url.href, `${origin}/mcp-servers`)
console.log('A wrong password leads nowhere, a right one to the list of servers and nowhere else.')

// ---- an agent of ada, who is in sales
const url = `${origin}/mcp-servers/desk/mcp`
const browser = new Browser()
const ofAda = await startAgent(url, (authorization) => browser.allow(authorization, ADA))
assert.equal(await ofAda.call('crm__find'), 'Customers of ada: Charles Babbage')
assert.equal(await ofAda.call('orders__list'), 'Orders of the customers of ada: 7, 8')
console.log('ada logs in and allows her agent: it calls tools of two servers under one name, as her.')

await assert.rejects(ofAda.call('crm__delete'), /Unknown tool: crm__delete/)
const refused = await auditOf('crm__delete')
assert.deepEqual([refused.user, refused.team, refused.outcome, refused.by], ['ada', 'sales', 'refused', 'intercept'])
console.log('Deleting is not for sales: it is refused, and the audit line says so.')

// ---- one of grace, who is in ops
const browserOfGrace = new Browser()
const ofGrace = await startAgent(url, (authorization) => browserOfGrace.allow(authorization, GRACE))
assert.equal(await ofGrace.call('crm__delete'), 'gone')
console.log('grace is in ops: her agent may.')

// ---- the page
const list = await browser.open(`${origin}/mcp-servers`)
assert.match(list.text, /Orders and customers/)
const activity = `${origin}/mcp-servers?view=activity`
const seen = await Promise.all([browser, browserOfGrace].map((own) => own.open(activity)))
assert.deepEqual(
  seen.map(({ status }) => status),
  [404, 200],
)
console.log('In the browser both see the list of servers, and grace what goes on.')

// ---- a deployment
await ofAda.close()
await ofGrace.close()
app.kill('SIGTERM')
assert.deepEqual(await once(app, 'exit'), [0, null])
crm.close()
crm.closeAllConnections()
redis.kill()
await once(redis, 'exit')
console.log('On SIGTERM the node leaves, and ends by itself.')

/** The line of the log about a tool. @param {string} tool */
async function auditOf(tool) {
  const records = () => lines.filter((line) => line.startsWith('{"audit"')).map((line) => JSON.parse(line).audit)
  await untilTrue(async () => records().some(({ target }) => target === tool))
  return records().find(({ target }) => target === tool)
}

/** @param {number} count */
async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      return server
    }),
  )
  const free = servers.map(portOf)
  for (const server of servers) server.close()
  return free
}

/** @param {import('node:net').Server} server */
function portOf(server) {
  return /** @type {import('node:net').AddressInfo} */ (server.address()).port
}

/** @param {() => Promise<boolean>} check */
async function untilTrue(check) {
  while (!(await check())) await sleep(50)
}
