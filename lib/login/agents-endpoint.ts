/** The page of connected agents, where a user disconnects them. */
import type { ServerResponse } from 'node:http'
import type { GatewayRequest } from '../types.ts'
import { loginUrlFor, PageFault, redirect, userOf } from '../pages/browser.ts'
import { connectedAgent } from './grants.ts'
import type { LoginParts } from './login-parts.ts'
import type { AgentUser } from './agent-login-options.ts'
import { agentsPage, sendFormPage } from './pages/index.ts'
import { PATHS } from './paths.ts'
import { isOfOwnPage, parameterOf, readForm } from '../pages/forms.ts'

/** How long the page can be used, in seconds. */
const PAGE_S = 3_600

export class AgentsEndpoint {
  readonly #parts: LoginParts

  constructor(parts: LoginParts) {
    this.#parts = parts
  }

  async list(request: GatewayRequest, response: ServerResponse): Promise<void> {
    const { config, grants, secrets } = this.#parts
    const user = await this.#userOrLogin(request, response)
    if (!user) return
    const agents = (await grants.list(user.id)).map(([id, record]) =>
      Object.assign(connectedAgent(id, record), { titles: { [record.server]: record.title } }),
    )
    const form = { action: this.#path, fields: { user: secrets.seal('agents', user.id, PAGE_S) } }
    sendFormPage(response, 200, agentsPage({ title: config.title, user, agents, form }))
  }

  async disconnect(request: GatewayRequest, response: ServerResponse): Promise<void> {
    const { config, grants, secrets } = this.#parts
    if (!isOfOwnPage(request, config.origin)) throw foreignDisconnection()
    const form = await readForm(request)
    const user = await this.#userOrLogin(request, response)
    if (!user) return
    if (secrets.open('agents', parameterOf(form, 'user') ?? '') !== user.id) throw foreignDisconnection()
    const grant = parameterOf(form, 'grant')
    if (grant !== undefined) await grants.endAll(user.id, { grant })
    redirect(response, this.#path)
  }

  get #path(): string {
    return this.#parts.config.path + PATHS.agents
  }

  async #userOrLogin(request: GatewayRequest, response: ServerResponse): Promise<AgentUser | undefined> {
    const user = await userOf(request, this.#parts.config)
    if (!user) redirect(response, loginUrlFor(this.#path, this.#parts.config))
    return user
  }
}

function foreignDisconnection(): PageFault {
  return new PageFault({
    status: 403,
    heading: 'Nothing was disconnected',
    words: 'The page was open for too long, or another account is logged in. Open it again.',
  })
}
