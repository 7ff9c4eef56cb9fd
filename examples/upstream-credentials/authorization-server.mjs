// @ts-check
// The least of an OAuth authorization server that gives tokens for one resource each: use a real one.
import { createServer } from 'node:http'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose'

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'

/** @param {{ id: string, secret: string }} client the only one it knows */
export async function startAuthorizationServer(client) {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const jwks = { keys: [await exportJWK(publicKey)] }
  const basic = `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}`
  let issued = 0

  /** What it would give whoever logs in. @param {string} sub @param {string} aud */
  const issue = (sub, aud) =>
    new SignJWT({ sub, aud })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt' })
      .setIssuer(issuer)
      .setExpirationTime('10m')
      .sign(privateKey)

  /** Whom a token is for, by the grant. @param {URLSearchParams} asked */
  async function subjectOf(asked) {
    if (asked.get('grant_type') !== EXCHANGE) return client.id
    const { payload } = await jwtVerify(asked.get('subject_token') ?? '', publicKey, { issuer })
    return String(payload.sub)
  }

  const server = createServer(async (request, response) => {
    response.setHeader('content-type', 'application/json')
    if (request.url === '/.well-known/oauth-authorization-server') {
      return response.end(JSON.stringify({ issuer, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/jwks` }))
    }
    if (request.url === '/jwks') return response.end(JSON.stringify(jwks))
    if (request.headers.authorization !== basic) return response.writeHead(401).end('{"error":"invalid_client"}')
    const asked = new URLSearchParams(await text(request))
    const access_token = await issue(await subjectOf(asked), asked.get('resource') ?? '')
    issued += 1
    response.end(JSON.stringify({ access_token, token_type: 'Bearer', expires_in: 600 }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  const issuer = `http://127.0.0.1:${port}`

  return { issuer, jwksUri: `${issuer}/jwks`, issue, issued: () => issued, close: () => server.close() }
}
