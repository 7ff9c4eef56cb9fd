/** The pages at the end: on the way back to the client, and why it does not go on. */
import { html } from '../../pages/html.ts'
import type { FaultView, ReturnView } from '../types.ts'
import { loginFrame, type LoginPage, named, wayBack } from './frame.ts'

export function returnPage({ title, client, decision, url }: ReturnView): LoginPage {
  const outcome =
    decision === 'allowed'
      ? html`${named(client.name)} is connected.`
      : html`${named(client.name)} was not let in, and is told so.`
  return loginFrame(
    title,
    'You can close this page',
    outcome,
    html`<p class="on">${wayBack(url, html`Go on to ${named(client.name)}`)}</p>
      <p class="quiet">Nothing happens by itself? Then follow the link.</p>`,
  )
}

export function faultPage({ title, heading, words, back }: FaultView): LoginPage {
  return loginFrame(
    title,
    heading,
    undefined,
    html`<p class="warning" role="alert">${words}</p>
      ${back && html`<p class="on">${wayBack(back.url, html`Go back to ${named(back.client.name)}`)}</p>`}`,
  )
}
