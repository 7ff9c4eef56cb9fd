/** The page of connected accounts, where a user disconnects them. */
import type { ServerResponse } from 'node:http'
import { redirect } from '../pages/browser.ts'
import { sendFormPage } from '../pages/form-page.ts'
import { parameterOf } from '../pages/forms.ts'
import type { GatewayRequest } from '../types.ts'
import { ownForm, type PageParts, sealedField, userOrLogin } from './page-parts.ts'
import { connectionsPage } from './pages/list.ts'

/** How long the page can be used. */
const PAGE_MS = 60 * 60_000

export class ListEndpoint {
  readonly #parts: PageParts

  constructor(parts: PageParts) {
    this.#parts = parts
  }

  async list(request: GatewayRequest, response: ServerResponse): Promise<void> {
    const { config, connections } = this.#parts
    const user = await userOrLogin(this.#path, this.#parts, request, response)
    if (!user) return
    const fields = { form: sealedField(this.#parts, 'list', user.id, PAGE_MS) }
    const form = { action: this.#path, fields }
    const shown = await connections.list(user.id)
    sendFormPage(response, 200, connectionsPage({ title: config.title, user, connections: shown, form }))
  }

  async disconnect(request: GatewayRequest, response: ServerResponse): Promise<void> {
    const user = await userOrLogin(this.#path, this.#parts, request, response)
    if (!user) return
    const form = await ownForm(this.#parts, 'list', user.id, request)
    const { connections } = this.#parts
    const asked = parameterOf(form, 'connection')
    // What is not in the list of this user is somebody else's.
    const found = (await connections.list(user.id)).find(({ key }) => key === asked)
    if (found) await connections.disconnect(user.id, found.key)
    redirect(response, this.#path)
  }

  get #path(): string {
    return `${this.#parts.config.path}/`
  }
}
