// @ts-check
// An Express app with users and a login of its own, whose agents reach a service with each user's own account there.
import { once } from 'node:events'
import express from 'express'
import session from 'express-session'
import { mcpGateway } from 'express-mcp-gateway'
import { MemoryLoginStore, userConnections } from 'express-mcp-gateway/connections'

/** Agents show a key of their user's. */
const KEYS = new Map([
  ['key-of-ada', 'ada'],
  ['key-of-bob', 'bob'],
])

/** @param {{ origin: string, url: string, register: (id: string, redirectUri: string) => void }} service */
export async function startApp(service) {
  const app = express()
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (server.address()).port}`

  // ---- what the app has already: a login. This one believes everybody
  app.use(session({ secret: 'of the app', resave: false, saveUninitialized: false, cookie: { sameSite: 'lax' } }))
  app.get('/login', (_request, response) => void response.send('<form method="post"><input name="name"></form>'))
  app.post('/login', express.urlencoded(), (request, response) => {
    Object.assign(request.session, { user: request.body.name })
    const { return_to: to } = request.query
    response.redirect(303, typeof to === 'string' ? to : '/')
  })

  // ---- the accounts of users, and the servers that need them
  const connections = userConnections({
    baseUrl: `${origin}/connections`,
    user(/** @type {express.Request & { session: { user?: string } }} */ { session: { user } }) {
      return user === undefined ? undefined : { id: user, name: user }
    },
    loginUrl: '/login',
    secrets: ['at least 32 characters, from the environment'],
    store: new MemoryLoginStore(), // with several nodes, or to outlive a restart: RedisLoginStore
    servers: { tickets: { issuer: service.origin } },
    clients: { [service.origin]: { clientId: 'app' } },
  })
  service.register('app', `${origin}/connections/callback`)

  const gateway = mcpGateway({
    authenticate: ({ headers }) => {
      const id = KEYS.get(String(headers['x-api-key']))
      return id === undefined ? undefined : { id }
    },
    servers: { tickets: { url: service.url, headers: connections, title: 'Tickets' } },
  })
  app.use('/connections', connections.pages)
  app.use('/mcp-servers', gateway)

  return {
    origin,
    url: `${origin}/mcp-servers/tickets/mcp`,
    async close() {
      await gateway.close()
      await connections.close()
      server.close()
    },
  }
}
