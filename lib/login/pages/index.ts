/** The pages of the login, and how they are sent: no script, a strict policy, never framed or kept. (login-pages fills this in) */
import type { ServerResponse } from 'node:http'
import type { AgentsView, ConsentView, FaultView, PageForm, ReturnView } from '../types.ts'

/** A rendered page. The type is the other side's to choose; the engine passes it on to `sendLoginPage()` alone. */
export type LoginPage = string

const escape = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
const fields = ({ fields: given }: PageForm): string =>
  Object.entries(given)
    .map(([name, value]) => `<input type=hidden name="${escape(name)}" value="${escape(value)}">`)
    .join('')

export function consentPage(view: ConsentView): LoginPage {
  return `<h1>${escape(view.server.title)}: ${escape(view.client.name)}</h1><p>${escape(view.client.redirectHost)}</p><form method=post action="${escape(view.form.action)}">${fields(view.form)}<button name=decision value=allow>Allow</button><button name=decision value=deny>Deny</button></form>`
}

export function returnPage(view: ReturnView): LoginPage {
  return `<h1>You can close this page</h1><a href="${escape(view.url)}">Back</a>`
}

export function faultPage(view: FaultView): LoginPage {
  return `<h1>${escape(view.heading)}</h1><p>${escape(view.words)}</p>${view.back ? `<a href="${escape(view.back.url)}">Back</a>` : ''}`
}

export function agentsPage(view: AgentsView): LoginPage {
  return view.agents
    .map(
      ({ grant, client }) =>
        `<form method=post action="${escape(view.form.action)}">${fields(view.form)}<h2>${escape(client.name)}</h2><button name=grant value="${escape(grant)}">Disconnect</button></form>`,
    )
    .join('')
}

/** `refresh` is where the browser goes on to by itself, after the page is shown. */
export function sendLoginPage(
  response: ServerResponse,
  status: number,
  page: LoginPage,
  { refresh }: { readonly refresh?: string } = {},
): void {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    ...(refresh !== undefined && { refresh: `0; url=${refresh}` }),
  })
  response.end(page)
}
