/** The page of connected accounts, each with a button that ends it. */
import { form, formPage, type FormPage, named, type PageForm, type PageUser } from '../../pages/form-page.ts'
import { html, type Html } from '../../pages/html.ts'
import { relativeTime } from '../../pages/relative-time.ts'
import type { UserConnection } from '../types.ts'

type ShownConnection = UserConnection & { readonly key: string }

export interface ListView {
  readonly title: string | undefined
  readonly user: PageUser
  readonly connections: readonly ShownConnection[]
  readonly form: PageForm
}

export function connectionsPage({ title, user, connections, form: posted }: ListView): FormPage {
  return formPage(
    title,
    'Connected accounts',
    html`What you have connected as <strong>${named(user.name ?? user.id)}</strong>.`,
    connections.length === 0
      ? html`<p class="quiet">No account is connected.</p>`
      : html`<ul class="cards">
          ${connections.map((connection) => connectionCard(connection, posted))}
        </ul>`,
  )
}

function connectionCard({ key, server, url, issuer, scopes, since, broken }: ShownConnection, posted: PageForm): Html {
  const at = since.toISOString()
  return html`<li class="card">
    <h2>${named(server)}</h2>
    <p class="quiet">${named(new URL(url).host)}</p>
    <dl class="facts">
      <div>
        <dt>Account at</dt>
        <dd>
          <strong>${named(new URL(issuer).host)}</strong>
          ${scopes.length > 0 && html`<p>${named(scopes.join(', '))}</p>`}
        </dd>
      </div>
      <div>
        <dt>Connected</dt>
        <dd><time datetime="${at}">${relativeTime(at)}</time></dd>
      </div>
    </dl>
    ${broken && html`<p class="warning">The service has ended it. You will be asked to connect again.</p>`}
    ${form(
      posted,
      html`<button class="end" name="connection" value="${key}" aria-label="Disconnect ${server}">Disconnect</button>`,
    )}
  </li>`
}
