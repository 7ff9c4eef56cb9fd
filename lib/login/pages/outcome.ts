/** The page at the end: on the way back to the client. */
import { html } from '../../pages/html.ts'
import type { ReturnView } from '../types.ts'
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
