/** The page that asks a user to connect an account. */
import { fact, form, formPage, type FormPage, named, type PageForm, type PageUser } from '../../pages/form-page.ts'
import { html } from '../../pages/html.ts'
import type { LinkRecord } from '../records.ts'

export interface ConnectView {
  readonly title: string | undefined
  readonly user: PageUser
  readonly link: LinkRecord
  readonly form: PageForm
}

export function connectPage({ title, user, link, form: posted }: ConnectView): FormPage {
  const { server, url, issuer, agent, scopes } = link
  const service = new URL(issuer).host
  const name = link.title ?? server
  return formPage(
    title,
    `Connect your account at ${service}?`,
    html`${agent === undefined ? html`You are asked` : html`An agent that calls itself <strong>${named(agent)}</strong> asks you`}
      to connect an account at <strong>${named(service)}</strong>, so that <strong>${named(name)}</strong> can be used
      with it.`,
    html`<div class="card">
      <dl class="facts">
        ${fact('Service', html`<strong>${named(service)}</strong>`)}
        ${fact(
          'Server',
          html`<strong>${named(name)}</strong>
            <p><code>${new URL(url).host}</code></p>`,
        )}
        ${agent !== undefined && fact('Agent', html`<strong>${named(agent)}</strong>`)}
        ${fact('Your account here', html`<strong>${named(user.name ?? user.id)}</strong>`)}
        ${scopes.length > 0 && fact('What is asked for', html`${named(scopes.join(', '))}`)}
      </dl>
      <p class="warning">
        Connect an account only if you have just asked for this: your agents will then use it by way of ${named(name)}.
      </p>
      ${form(
        posted,
        html`<div class="answers">
          <button class="main" name="decision" value="connect">Connect</button>
          <button name="decision" value="decline">Not now</button>
        </div>`,
      )}
      <p class="quiet">You log in at ${named(service)} itself. You can take this back at any time.</p>
    </div>`,
  )
}
