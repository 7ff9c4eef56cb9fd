// @ts-check
// An Express app with users and a login of its own, express-session and passport-local, that lets agents log in with it.
import { generateKeyPairSync, randomBytes, scryptSync, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import express from 'express'
import session from 'express-session'
import { inProcess, mcpGateway } from 'express-mcp-gateway'
import { agentLogin } from 'express-mcp-gateway/login'
import passport from 'passport'
import { Strategy as LocalStrategy } from 'passport-local'

/** @typedef {import('express').Request} LoggedIn */

// ---- what the app has already: its users, and their login
const salt = randomBytes(16)
/** @param {string} password */
const digest = (password) => scryptSync(password, salt, 32)
const users = new Map([['ada', { name: 'ada', team: 'research', digest: digest('correct horse battery staple') }]])

passport.use(
  new LocalStrategy((name, password, done) => {
    const user = users.get(name)
    const isRight = timingSafeEqual(digest(password), user?.digest ?? randomBytes(32))
    done(null, user !== undefined && isRight && { name: user.name, team: user.team })
  }),
)
passport.serializeUser((user, done) => done(null, user.name))
passport.deserializeUser((/** @type {string} */ name, done) => done(null, users.get(name) ?? false))

/** @param {string} returnTo */
const loginPage = (returnTo) => `<!doctype html>
<html lang="en"><meta name="viewport" content="width=device-width"><title>Log in</title>
<form method="post" action="/login">
  <p><label>Name <input name="username" autocomplete="username" required></label>
  <p><label>Password <input name="password" type="password" autocomplete="current-password" required></label>
  <input type="hidden" name="return_to" value="${returnTo.replaceAll(/[&"<]/g, (mark) => `&#${mark.charCodeAt(0)};`)}">
  <p><button>Log in</button>
</form></html>`

/** @param {number} port */
export async function startApp(port) {
  const app = express()
  const server = app.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (server.address()).port}`

  // `lax`, so that a browser which comes from an agent is the one that is logged in here.
  app.use(session({ secret: 'of the app', resave: false, saveUninitialized: false, cookie: { sameSite: 'lax' } }))
  app.use(passport.session())
  app.get('/login', ({ query: { return_to: to } }, response) => {
    response.send(loginPage(typeof to === 'string' ? to : '/'))
  })
  app.post(
    '/login',
    express.urlencoded({ extended: false }),
    passport.authenticate('local', { failureRedirect: '/login' }),
    (request, response) => {
      // Only to paths of the agents' login: any other would let strangers choose where a login leads.
      const returnTo = String(request.body.return_to)
      response.redirect(303, returnTo.startsWith('/oauth/') ? returnTo : '/')
    },
  )

  // ---- what lets agents in
  const login = agentLogin({
    issuer: origin,
    title: 'Example Corp',
    user: (/** @type {LoggedIn} */ { user }) => user && { id: user.name },
    loginUrl: '/login',
    // In production: from where your secrets are, the same on every node.
    keys: [generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })],
    secrets: [randomBytes(32).toString('base64url')],
    // For agents that have no metadata document of their own.
    registration: true,
  })
  const gateway = mcpGateway({
    publicUrl: `${origin}/mcp-servers`,
    authenticate: login.authenticate,
    servers: {
      notes: {
        ...inProcess((transport, { principal }) => makeNotes(principal?.id ?? '').connect(transport)),
        title: 'Notes',
      },
    },
  })
  app.use(login) // after the session, since it asks who is logged in
  app.use('/mcp-servers', gateway)
  app.use(gateway.wellKnown)

  return {
    origin,
    url: `${origin}/mcp-servers/notes/mcp`,
    async close() {
      await gateway.close()
      await login.close()
      server.close()
      server.closeAllConnections()
    },
  }
}

/** @param {string} user */
function makeNotes(user) {
  const mcp = new McpServer({ name: 'notes', version: '1.0.0' })
  mcp.registerTool('whoami', {}, () => ({ content: [{ type: 'text', text: user }] }))
  return mcp
}
