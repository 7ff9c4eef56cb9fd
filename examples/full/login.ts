// The login of the app itself, for people in browsers: express-session and passport-local.
import express, { type Router } from 'express'
import session from 'express-session'
import passport from 'passport'
import { Strategy as LocalStrategy } from 'passport-local'
import { BrowserSessions } from './browser-sessions.ts'
import type { RedisClient } from './redis.ts'
import type { Settings } from './settings.ts'
import { checkPassword, findUser } from './users.ts'

passport.use(new LocalStrategy((name, password, done) => done(null, checkPassword(name, password) ?? false)))
passport.serializeUser((user, done) => done(null, user.name))
passport.deserializeUser((name: string, done) => done(null, findUser(name) ?? false))

/** It is posted to the URL that it is at, with its query. */
const LOGIN_PAGE = `<!doctype html>
<html lang="en"><meta name="viewport" content="width=device-width"><title>Log in</title>
<form method="post">
  <p><label>Name <input name="username" autocomplete="username" required></label>
  <p><label>Password <input name="password" type="password" autocomplete="current-password" required></label>
  <p><button>Log in</button>
</form></html>`

export function makeLogin({ publicUrl, secrets }: Settings, client: RedisClient): Router {
  const router = express.Router()
  router.use(
    session({
      secret: secrets.session,
      store: new BrowserSessions(client),
      resave: false,
      saveUninitialized: false,
      // `lax`, so that a browser that comes from an agent is the one that is logged in here.
      cookie: { sameSite: 'lax', secure: publicUrl.startsWith('https:') },
    }),
    passport.session(),
  )
  router.get('/login', (_request, response) => void response.send(LOGIN_PAGE))
  router.post(
    '/login',
    express.urlencoded({ extended: false }),
    (request, response, next) => {
      passport.authenticate('local', { failureRedirect: request.originalUrl })(request, response, next)
    },
    ({ query }, response) => response.redirect(303, safeReturn(query['return_to'])),
  )
  router.post('/logout', (request, response, next) => {
    request.logout((error) => (error ? next(error) : response.redirect(303, '/login')))
  })
  return router
}

/** Only to pages of agents and servers: any other would let strangers choose where a login leads. */
function safeReturn(to: unknown): string {
  return typeof to === 'string' && /^\/(?:oauth|mcp-servers)(?:[/?]|$)/.test(to) ? to : '/mcp-servers'
}
