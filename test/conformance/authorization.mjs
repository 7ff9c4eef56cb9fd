// @ts-check
// agentLogin() as the conformance suite meets it: an authorization server with a user who is logged in and allows what is asked.

import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { runSuite } from './suite.mjs'

/** What must pass: the metadata with the note on client documents, and the grant. */
export const AUTHORIZATION = { name: 'authorization server', scenarios: 2, checks: 3 }

/**
 * @param {string} node the Node that runs the suite
 * @param {string} directory where the suite leaves its checks
 * @returns {Promise<import('./suite.mjs').Outcome>}
 */
export async function runAuthorization(node, directory) {
  const server = await startLogin()
  try {
    let isAsked = false
    const options = ['--url', server.issuer, '--client-id', server.clientId, '--resource', server.resource]
    const port = ['--port', String(await freePort())]
    return await runSuite(node, ['authorization', ...options, ...port], join(directory, 'authorization'), (output) => {
      const url = /^\s*(http\S+\/oauth\/authorize\?\S+)\s/m.exec(output)?.[1]
      if (url === undefined || isAsked) return
      isAsked = true
      // Without an answer the suite says what it missed.
      server.allow(url).catch((error) => console.error(error))
    })
  } finally {
    await server.close()
  }
}

async function startLogin() {
  const [{ mcpGateway }, { agentLogin }] = await importBuilt()
  const listener = createServer()
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (listener.address())
  const issuer = `http://127.0.0.1:${port}`
  const clientId = `${issuer}/client.json`
  const login = agentLogin({
    issuer,
    user: () => ({ id: 'ada' }),
    loginUrl: '/login',
    keys: [generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })],
    secrets: ['a secret of the conformance suite'],
  })
  const publicUrl = `${issuer}/mcp-servers`
  const servers = { everything: { url: `${issuer}/nowhere` } }
  const gateway = mcpGateway({ servers, publicUrl, authenticate: login.authenticate })
  listener.on('request', (request, response) => {
    if (request.url !== '/client.json') return login(request, response)
    response.setHeader('content-type', 'application/json')
    const redirect_uris = ['http://127.0.0.1/callback']
    response.end(JSON.stringify({ client_id: clientId, client_name: 'Conformance suite', redirect_uris }))
  })
  return {
    issuer,
    clientId,
    resource: `${publicUrl}/everything/mcp`,
    /** What the user does: opens the page, allows, and goes where the page leads. @param {string} url */
    async allow(url) {
      const page = await (await fetch(url)).text()
      const fields = Array.from(page.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g))
      const body = new URLSearchParams(Object.fromEntries(fields.map(([, name, value]) => [name, value])))
      body.set('decision', 'allow')
      const [, action = ''] = /<form method="post" action="([^"]*)"/.exec(page) ?? []
      const answer = await fetch(new URL(action, issuer), { method: 'POST', body, headers: { origin: issuer } })
      await fetch(String(answer.headers.get('refresh')).replace(/^0; url=/, ''))
    },
    async close() {
      const closed = once(listener, 'close')
      listener.close()
      await gateway.close()
      await login.close()
      listener.closeAllConnections()
      await closed
    },
  }
}

/** @returns {Promise<[typeof import('../../lib/index.ts'), typeof import('../../lib/login/index.ts')]>} */
async function importBuilt() {
  const built = ['index.js', 'login/index.js'].map((file) => new URL(`../../dist/${file}`, import.meta.url))
  if (!built.every((file) => existsSync(file))) throw new Error('The gateway is not built. Run: npm run build')
  return /** @type {any} */ (Promise.all(built.map((file) => import(file.href))))
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  server.close()
  await once(server, 'close')
  return port
}
