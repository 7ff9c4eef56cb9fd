/** The pages from which the browser goes on by itself: back to the client, or to where an account is connected. */
import { html } from '../../pages/html.ts'
import type { AccountView, ReturnView } from '../types.ts'
import { formPage, type FormPage, named, wayBack } from '../../pages/form-page.ts'

export function returnPage({ title, client, decision, url }: ReturnView): FormPage {
  const outcome =
    decision === 'allowed'
      ? html`${named(client.name)} is connected.`
      : html`${named(client.name)} was not let in, and is told so.`
  return formPage(
    title,
    'You can close this page',
    outcome,
    html`<p class="on">${wayBack(url, html`Go on to ${named(client.name)}`)}</p>
      <p class="quiet">Nothing happens by itself? Then follow the link.</p>`,
  )
}

export function accountPage({ title, client, url }: AccountView): FormPage {
  return formPage(
    title,
    'One more step',
    html`The server needs an account of yours, before ${named(client.name)} is let in.`,
    html`<p class="on">${wayBack(url, html`Go on to connect it`)}</p>
      <p class="quiet">Nothing happens by itself? Then follow the link.</p>`,
  )
}
