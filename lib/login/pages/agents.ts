/** The page of connected agents, each with a button that ends it. */
import { html, type Html } from '../../pages/html.ts'
import { relativeTime } from '../../pages/relative-time.ts'
import type { AgentsView } from '../types.ts'
import { form, formPage, type FormPage, named } from '../../pages/form-page.ts'

type ShownAgent = AgentsView['agents'][number]

export function agentsPage(view: AgentsView): FormPage {
  const { title, user, agents } = view
  return formPage(
    title,
    'Connected agents',
    html`What you have let in as <strong>${named(user.name ?? user.id)}</strong>.`,
    agents.length === 0
      ? html`<p class="quiet">No agent is connected.</p>`
      : html`<ul class="cards">
          ${agents.map((agent) => agentCard(agent, view))}
        </ul>`,
  )
}

function agentCard(agent: ShownAgent, view: AgentsView): Html {
  const { client, grant, servers, titles, since, lastUsed } = agent
  return html`<li class="card">
    <h2>${named(client.name)}</h2>
    <p class="quiet">${where(client)}</p>
    <dl class="facts">
      ${Object.entries(servers).map(
        ([name, scopes]) =>
          html`<div>
            <dt>Server</dt>
            <dd>
              <strong>${named(titles[name] ?? name)}</strong>
              <p>${scopes.join(', ')}</p>
            </dd>
          </div>`,
      )}
      <div>
        <dt>Let in</dt>
        <dd>${when(since)}</dd>
      </div>
      <div>
        <dt>Last used</dt>
        <dd>${when(lastUsed)}</dd>
      </div>
    </dl>
    ${form(
      view.form,
      html`<button class="end" name="grant" value="${grant}" aria-label="Disconnect ${client.name}">
        Disconnect
      </button>`,
    )}
  </li>`
}

function where({ verifiedHost, redirectHost }: ShownAgent['client']): Html {
  if (verifiedHost !== undefined) return html`Described at ${named(verifiedHost)}`
  if (redirectHost === 'loopback') return html`A program on your computer`
  return redirectHost.startsWith('app:') ? html`An app on your device` : html`At ${named(redirectHost)}`
}

function when(date: Date): Html {
  const at = date.toISOString()
  return html`<time datetime="${at}">${relativeTime(at)}</time>`
}
