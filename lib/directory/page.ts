/** The pages: the list of servers, one server with its capabilities, and a message. */
import { renderCapabilities } from './capabilities.ts'
import { card, health } from './card.ts'
import { html, type Html, type HtmlContent, verbatim } from '../pages/html.ts'
import type { Introspection, ListedServer } from './listing.ts'
import { SCRIPT } from './script.ts'
import type { Settings } from './settings.ts'
import { STYLE } from './style.ts'

type PageSettings = Pick<Settings, 'title' | 'description' | 'clientHeaders'>

export function listPage(
  { title, description, clientHeaders }: PageSettings,
  servers: readonly ListedServer[],
  nonce: string,
): Html {
  const tags = [...new Set(servers.flatMap((server) => server.tags))].toSorted((a, b) => a.localeCompare(b, 'en'))
  return frame(
    title,
    nonce,
    html`<header class="top">
        <h1>${title}</h1>
        ${description !== undefined && html`<p>${description}</p>`}
      </header>
      ${servers.length > 1 && filter(tags, servers.length)}
      <main>
        ${
          servers.length === 0
            ? html`<p class="empty">No server is open to you here.</p>`
            : html`<ul class="cards">
                  ${servers.map((server, index) => card(server, index, clientHeaders))}
                </ul>
                <p class="empty" data-none hidden>No server fits that.</p>`
        }
      </main>`,
  )
}

export function serverPage(
  { title, clientHeaders }: PageSettings,
  listed: ListedServer,
  introspection: Introspection,
  nonce: string,
): Html {
  const capabilities = html`<div data-capabilities>${renderCapabilities(introspection)}</div>`
  return frame(
    `${listed.title} – ${title}`,
    nonce,
    html`<header class="top">
        <p class="back"><a href="?">All servers</a></p>
        <h1>${title}</h1>
      </header>
      <main>
        <ul class="cards">
          ${card(listed, 0, clientHeaders, capabilities)}
        </ul>
      </main>`,
  )
}

/** The part of a page that the script inserts into an opened card. It has no `<style>`: the policy would block it. */
export function fragment(listed: ListedServer, introspection: Introspection): Html {
  return html`${health(listed.health)}
    <div data-capabilities>${renderCapabilities(introspection)}</div>`
}

export function messagePage({ title }: PageSettings, message: string, nonce: string): Html {
  return frame(
    title,
    nonce,
    html`<header class="top"><h1>${title}</h1></header>
      <main><p class="empty" role="alert">${message}</p></main>`,
  )
}

/** The filter needs the script; the style hides it without one. */
function filter(tags: readonly string[], count: number): Html {
  return html`<form class="filter" role="search" data-filter>
    <label class="unseen" for="filter">Filter servers</label>
    <input type="search" id="filter" placeholder="Filter servers" autocomplete="off" spellcheck="false" />
    ${tags.length > 0 && html`<div class="chips" role="group" aria-label="Filter by tag">${tags.map((tag) => html`<button type="button" aria-pressed="false" data-tag="${tag}">${tag}</button>`)}</div>`}
    <p class="unseen" role="status" data-count>${count} servers</p>
  </form>`
}

function frame(title: string, nonce: string, body: HtmlContent): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title}</title>
        <style nonce="${nonce}">
          ${verbatim(STYLE)}
        </style>
      </head>
      <body>
        ${body}
        <script nonce="${nonce}">
          ${verbatim(SCRIPT)}
        </script>
      </body>
    </html> `
}
