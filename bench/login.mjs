// @ts-check
// What agentLogin() costs: an authorization, a refresh and an authenticated request, in CPU time of one process that is
// client and server both. Prints a table. Run it after `npm run build`: node bench/login.mjs
import { createHash, generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import { mcpGateway } from '../dist/index.js'
import { jwtBearer } from '../dist/auth/index.js'
import { agentLogin } from '../dist/login/index.js'

const ROUNDS = 300
const CALLS = 200_000

/** @type {import('node:http').RequestListener} */
let listener = () => {}
const server = createServer((request, response) => listener(request, response))
await new Promise((resolve) => void server.listen(0, '127.0.0.1', () => resolve(undefined)))
const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
const origin = `http://127.0.0.1:${port}`
const resource = `${origin}/mcp-servers/notes/mcp`
const redirectUri = 'https://agent.example/callback'

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const login = agentLogin({
  issuer: origin,
  user: () => ({ id: 'ada', name: 'Ada' }),
  loginUrl: '/login',
  keys: [privateKey.export({ format: 'jwk' })],
  secrets: ['a secret of the bench that is long enough'],
  clients: [{ id: 'bench', name: 'The bench', redirectUris: [redirectUri] }],
})
const gateway = mcpGateway({
  servers: { notes: { url: 'http://127.0.0.1:9/mcp' } },
  publicUrl: `${origin}/mcp-servers`,
  authenticate: login.authenticate,
})
listener = login

const verifier = 'v'.repeat(43)
const challenge = createHash('sha256').update(verifier).digest('base64url')

/** @param {string} path @param {Record<string, string>} fields */
const post = (path, fields) => fetch(origin + path, { method: 'POST', body: new URLSearchParams(fields) })

/** A whole login: page, answer, code, tokens. */
async function authorize() {
  const query = new URLSearchParams({
    client_id: 'bench',
    redirect_uri: redirectUri,
    response_type: 'code',
    resource,
    code_challenge: challenge,
    code_challenge_method: 'S256',
  })
  const page = await (await fetch(`${origin}/oauth/authorize?${query.toString()}`)).text()
  const request = /name="?request"? value="([^"]+)"/.exec(page)?.[1] ?? ''
  const answered = await post('/oauth/consent', { request, decision: 'allow' })
  await answered.text()
  const back = /url=(.*)$/.exec(answered.headers.get('refresh') ?? '')?.[1] ?? ''
  const code = new URL(back).searchParams.get('code') ?? ''
  return tokens({ grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: verifier })
}

/** @param {Record<string, string>} fields @returns {Promise<{ access_token: string, refresh_token: string }>} */
async function tokens(fields) {
  const response = await post('/oauth/token', { client_id: 'bench', ...fields })
  if (response.status !== 200) throw new Error(await response.text())
  return /** @type {Promise<never>} */ (response.json())
}

/** The CPU time of one of many, in microseconds. @param {number} times @param {() => unknown} work */
async function cpuOf(times, work) {
  const before = process.cpuUsage()
  for (let time = 0; time < times; time += 1) {
    const done = work()
    if (done instanceof Promise) await done
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / times
}

await cpuOf(50, authorize)
const authorization = await cpuOf(ROUNDS, authorize)

// The oldest of many grants of one user and client end.
let { refresh_token: token, access_token: access } = await authorize()
const refresh = async () => {
  ;({ refresh_token: token, access_token: access } = await tokens({
    grant_type: 'refresh_token',
    refresh_token: token,
  }))
}
const nothing = () => fetch(`${origin}/oauth/jwks`).then((response) => response.text())
await cpuOf(50, refresh)

const keys = /** @type {any} */ (await (await fetch(`${origin}/oauth/jwks`)).json())
const plain = jwtBearer({ issuer: origin, jwks: keys })
const request = /** @type {any} */ ({ headers: { authorization: `Bearer ${access}` }, rawHeaders: [], url: '/' })
const context = { server: 'notes', resource }
const withLogin = () => login.authenticate(request, context)
const withKeys = () => plain(request, context)
for (const each of [withLogin, withKeys]) await cpuOf(CALLS, each)

const rows = {
  'authorization: page, answer, code, tokens (3 requests with their client)': authorization,
  'refresh (1 request with its client)': await cpuOf(ROUNDS, refresh),
  'request for the keys, for comparison (with its client)': await cpuOf(ROUNDS, nothing),
  'login.authenticate, a token that was seen before': await cpuOf(CALLS, withLogin),
  'jwtBearer(), the same': await cpuOf(CALLS, withKeys),
}
for (const [what, us] of Object.entries(rows)) console.log(`${us.toFixed(us < 10 ? 2 : 0).padStart(8)} us  ${what}`)
await gateway.close()
await login.close()
server.close()
