// Lets agents in, with the login of the app: their users are asked once, and can disconnect them.
import type { Request } from 'express'
import type { Principal } from 'express-mcp-gateway'
import { type AgentLogin, agentLogin, RedisLoginStore } from 'express-mcp-gateway/login'
import type { RedisClient } from './redis.ts'
import type { Settings } from './settings.ts'
import { findUser } from './users.ts'

/** Who calls, as hooks and audit records get it: a user of the app, by an agent or in the browser. */
export interface Member extends Principal {
  readonly team: string
}

export function makeAgentLogin(
  { publicUrl, secrets, signingKey }: Settings,
  client: RedisClient,
): AgentLogin<Pick<Member, 'team'>> {
  return agentLogin({
    issuer: publicUrl,
    title: 'Example Corp',
    user: ({ user }: Request) => user && { id: user.name },
    loginUrl: '/login',
    keys: [signingKey],
    secrets: [secrets.login],
    store: new RedisLoginStore({ client }),
    // A user who is gone has no team: no more tokens.
    principal: ({ id }) => {
      const user = findUser(id)
      return user && { team: user.team }
    },
    // For agents that have no metadata document of their own.
    registration: { addressOf: (request) => (request as Request).ip ?? '' },
  })
}
