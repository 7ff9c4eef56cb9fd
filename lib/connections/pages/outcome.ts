/** The pages on the way to the service and at the end. */
import { formPage, type FormPage, named, wayBack } from '../../pages/form-page.ts'
import { html, type Html } from '../../pages/html.ts'
import type { LinkRecord } from '../records.ts'

export function leavingPage(title: string | undefined, { issuer }: LinkRecord, url: string): FormPage {
  const service = new URL(issuer).host
  return formPage(
    title,
    `On to ${service}`,
    html`You log in there, and come back here.`,
    html`<p class="on">${wayBack(url, html`Go on to ${named(service)}`)}</p>
      <p class="quiet">Nothing happens by itself? Then follow the link.</p>`,
  )
}

export function connectedPage(title: string | undefined, link: LinkRecord, list: string): FormPage {
  const { server, issuer } = link
  return formPage(
    title,
    'Your account is connected',
    html`<strong>${named(link.title ?? server)}</strong> can now be used with your account at
      ${named(new URL(issuer).host)}. You can close this page.`,
    html`${onward(link)}
      <p class="quiet"><a href="${list}">Your connected accounts</a></p>`,
  )
}

export function declinedPage(title: string | undefined, link: LinkRecord): FormPage {
  return formPage(
    title,
    'Nothing was connected',
    html`<strong>${named(link.title ?? link.server)}</strong> cannot be used with an account of yours. You can close
      this page.`,
    onward(link),
  )
}

/** On the way from the service, for a browser that has to open the page from here. */
export function sameSitePage(title: string | undefined, url: string): FormPage {
  return formPage(title, 'One moment', undefined, html`<p class="on">${wayBack(url, html`Go on`)}</p>`)
}

function onward({ returnTo }: LinkRecord): Html | undefined {
  return returnTo === undefined ? undefined : html`<p class="on">${wayBack(returnTo, html`Go on`)}</p>`
}
