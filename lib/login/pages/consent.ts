/** The page that asks whether an agent may use a server. */
import { html, type Html, type HtmlContent } from '../../pages/html.ts'
import type { AgentClient, ConsentView } from '../types.ts'
import { fact, form, formPage, type FormPage, named } from '../../pages/form-page.ts'

export function consentPage(view: ConsentView): FormPage {
  const { title, server, client, scopes, user, otherAccountUrl } = view
  const account = user.name ?? user.id
  return formPage(
    title,
    `Let an agent use ${server.title}?`,
    // The server and where the answer goes: by these a user notices a login that somebody else has begun.
    html`An agent that calls itself <strong>${named(client.name)}</strong> asks to use
      <strong>${named(server.title)}</strong>. The answer goes to <strong>${destination(client)}</strong>.`,
    html`<div class="card">
      <dl class="facts">
        ${fact('Agent', html`<strong>${named(client.name)}</strong> ${origin(view)}`)}
        ${fact(
          'Server',
          html`<strong>${named(server.title)}</strong>
            <p><code>${server.url}</code></p>`,
        )}
        ${fact(
          'The answer goes to',
          html`<strong>${destination(client)}</strong>
            <p><code>${shortened(view.redirectUri)}</code></p>`,
        )}
        ${fact(
          'Your account',
          html`<strong>${named(account)}</strong>
            <p><a href="${otherAccountUrl}">Use another account</a></p>`,
        )}
      </dl>
      ${warning(view)}
      <h2>It will be able to</h2>
      <ul class="allows">
        ${scopes.map(({ words }) => html`<li>${named(words)}</li>`)}
      </ul>
      ${form(
        view.form,
        html`<div class="answers">
          <button class="main" name="decision" value="allow">Allow</button>
          <button name="decision" value="deny">Deny</button>
        </div>`,
      )}
      <p class="quiet">You can take this back at any time, among your <a href="agents">connected agents</a>.</p>
    </div>`,
  )
}

/** Where the code goes, in words. */
function destination({ redirectHost }: AgentClient): HtmlContent {
  if (redirectHost === 'loopback') return 'a program on this computer'
  const app = appScheme(redirectHost)
  return app === undefined ? named(redirectHost) : html`the app that opens ${named(`${app}:`)} links on this device`
}

function appScheme(redirectHost: string): string | undefined {
  return redirectHost.startsWith('app:') ? redirectHost.slice('app:'.length) : undefined
}

/** How far the name can be trusted. */
function origin({ client, origin: source }: ConsentView): Html {
  if (client.verifiedHost !== undefined) {
    return html`<p>Verified: it is described at <strong>${named(client.verifiedHost)}</strong>.</p>`
  }
  return source === 'known'
    ? html`<p>This app knows it.</p>`
    : html`<p>It chose this name itself; nobody has verified it.</p>`
}

function warning({ client, origin: source }: ConsentView): Html | undefined {
  const { redirectHost, verifiedHost } = client
  if (redirectHost === 'loopback' || appScheme(redirectHost) !== undefined) {
    const who = redirectHost === 'loopback' ? 'Any program on this computer' : 'Any app on this device'
    return html`<p class="warning">
      ${who} can say that it is ${named(client.name)}. Allow this only if you have just begun to connect it yourself.
    </p>`
  }
  if (verifiedHost !== undefined && verifiedHost !== redirectHost) {
    return html`<p class="warning">
      The agent is described at ${named(verifiedHost)}, but the answer goes to ${named(redirectHost)}.
    </p>`
  }
  if (source === 'registered') {
    return html`<p class="warning">
      Whoever runs ${named(redirectHost)} will act with your account. Allow this only if you trust them.
    </p>`
  }
  return undefined
}

const MAX_SHOWN = 200

/** A long query may not push the buttons out of sight. */
function shortened(uri: string): string {
  return uri.length > MAX_SHOWN ? `${uri.slice(0, MAX_SHOWN)}…` : uri
}
