/** The frame of pages with forms, and how these are sent: without script, under a strict policy, never framed or kept. */
import { createHash } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { html, type Html, type HtmlContent, verbatim } from './html.ts'
import { leadsToApp } from '../util/app-url.ts'
import { FORM_STYLE } from './form-style.ts'

/** A form on a page: where it is posted to, and its hidden fields. */
export interface PageForm {
  readonly action: string
  readonly fields: Readonly<Record<string, string>>
}

/** The user who is logged in to the app, as pages show them. */
export interface PageUser {
  readonly id: string
  readonly name?: string | undefined
}

/** A rendered page, for `sendFormPage()`. */
export type FormPage = Html

export function formPage(app: string | undefined, heading: string, lead: HtmlContent, body: HtmlContent): FormPage {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${heading}${app !== undefined && ` – ${app}`}</title>
        ${verbatim(`<style>${FORM_STYLE}</style>`)}
      </head>
      <body>
        <header class="top">
          ${app !== undefined && html`<p class="of">${app}</p>`}
          <h1>${heading}</h1>
          ${lead !== undefined && html`<p>${lead}</p>`}
        </header>
        <main>${body}</main>
      </body>
    </html> `
}

/** A form with its hidden fields. */
export function form({ action, fields }: PageForm, content: HtmlContent): Html {
  const hidden = Object.entries(fields).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}" />`,
  )
  return html`<form method="post" action="${action}">${hidden}${content}</form>`
}

/** An entry of a list of facts. */
export function fact(term: string, description: HtmlContent): Html {
  return html`<div>
    <dt>${term}</dt>
    <dd>${description}</dd>
  </div>`
}

/** A text that somebody else wrote: its direction does not change that of the words around it. */
export function named(text: string): Html {
  return html`<bdi>${text}</bdi>`
}

/** A link to a client; its words alone where the URL is of a kind that a browser would run or open by itself. */
export function wayBack(url: string, words: HtmlContent): Html {
  return leadsToApp(url) ? html`<a href="${url}" rel="noreferrer">${words}</a>` : html`${words}`
}

/**
 * The policy has no nonce, since the style is always the same, and allows no script at all. There is no
 * `Cross-Origin-Opener-Policy`: it would cut off a client that opened the page in a window of its own, and waits there
 * for the answer.
 */
const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': [
    "default-src 'none'",
    `style-src 'sha256-${createHash('sha256').update(FORM_STYLE).digest('base64')}'`,
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join('; '),
  'content-type': 'text/html; charset=utf-8',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
}

/**
 * Sends a page. With `refresh` the browser goes on to that URL by itself: a redirect that answers a form would have to
 * be listed in `form-action`, with all that it redirects to.
 */
export function sendFormPage(
  response: ServerResponse,
  status: number,
  page: FormPage,
  { refresh }: { readonly refresh?: string } = {},
): void {
  const body = Buffer.from(page.text)
  const on = refresh !== undefined && leadsToApp(refresh) ? { refresh: `0; url=${refresh}` } : {}
  response.writeHead(status, { ...PAGE_HEADERS, ...on, 'content-length': body.length })
  response.end(body)
}
