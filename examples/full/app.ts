// Puts the parts together: the order of the lines is that in which a request passes them.
import express, { type Express } from 'express'
import { mcpGateway, RedisEventLog, RedisSessionStore } from 'express-mcp-gateway'
import { serverDirectory } from 'express-mcp-gateway/directory'
import { openTelemetry } from 'express-mcp-gateway/opentelemetry'
import { makeAgentLogin, type Member } from './agents.ts'
import { makeLogin } from './login.ts'
import { audit, byTeam } from './policy.ts'
import type { Redis } from './redis.ts'
import { makeServers } from './servers.ts'
import type { Settings } from './settings.ts'

export interface App {
  readonly app: Express
  /** Calls may end; streams are cut after the grace, and their clients go on at another node. */
  close(): Promise<void>
}

export function makeApp(settings: Settings, { client, blockingClient }: Redis): App {
  const agents = makeAgentLogin(settings, client)
  const gateway = mcpGateway({
    publicUrl: `${settings.publicUrl}/mcp-servers`,
    authenticate: agents.authenticate,
    servers: makeServers(settings),
    intercept: [byTeam],
    audit,
    // Does nothing until the process is started with an SDK of OpenTelemetry: see README.md.
    telemetry: openTelemetry(),
    sessions: new RedisSessionStore({ client }),
    events: new RedisEventLog({ client, blockingClient }),
    keys: [settings.secrets.gateway],
  })
  const directory = serverDirectory({
    gateway,
    title: 'MCP servers at Example Corp',
    loginUrl: '/login',
    activity: (principal: Member | undefined) => principal?.team === 'ops',
  })

  const app = express()
  // TLS ends at a proxy in front, whose word for address and scheme is taken.
  app.set('trust proxy', settings.publicUrl.startsWith('https:') ? 1 : false)
  app.use(makeLogin(settings, client))
  app.use(agents) // after the session, since it asks who is logged in
  app.use('/mcp-servers', gateway, directory)
  app.use(gateway.wellKnown)
  app.get('/', (_request, response) => response.redirect('/mcp-servers'))

  return {
    app,
    async close() {
      await gateway.close({ graceMs: settings.graceMs })
      await agents.close()
    },
  }
}
