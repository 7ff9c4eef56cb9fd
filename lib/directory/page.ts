/** The pages: the list of servers, one server with its capabilities, and a message. */
import { nonEmptyText } from '../util/json.ts'
import { identity, renderCapabilities } from './capabilities.ts'
import { card, serverHead } from './card.ts'
import { frame } from './frame.ts'
import { html, type Html, type HtmlContent } from '../pages/html.ts'
import { type Introspection, type ListedServer, NOT_CONNECTED } from './listing.ts'
import type { PageVisitor } from './page-visitor.ts'
import type { Settings } from './settings.ts'
import { trialAttributes, type TrialParts, trialParts } from './trial.ts'

type PageSettings = Pick<Settings, 'title' | 'description' | 'clientHeaders'>

export function listPage(
  { title, description, clientHeaders }: PageSettings,
  servers: readonly ListedServer[],
  visitor: PageVisitor,
  nonce: string,
): Html {
  const tags = [...new Set(servers.flatMap((server) => server.tags))].toSorted((a, b) => a.localeCompare(b, 'en'))
  return frame(
    { title, nonce },
    html`${bar(undefined, visitor)}
      <header class="top">
        <h1>${title}</h1>
        ${description !== undefined && html`<p>${description}</p>`}
      </header>
      ${servers.length > 1 && filter(tags, servers.length)}
      <main>
        ${
          servers.length === 0
            ? html`<p class="empty">No server is open to you here.</p>`
            : html`<ul class="rows" id="servers">
                  ${servers.map((server, index) => card(server, index, clientHeaders))}
                </ul>
                <p class="empty" data-none hidden>No server fits that.</p>`
        }
      </main>`,
  )
}

export function serverPage(
  settings: PageSettings,
  listed: ListedServer,
  introspection: Introspection,
  visitor: PageVisitor,
  nonce: string,
): Html {
  const { title, clientHeaders } = settings
  const parts: TrialParts | undefined = visitor.mayTry ? trialParts(listed, introspection, clientHeaders) : undefined
  const more = 'capabilities' in introspection && identity(introspection.capabilities, listed.title)
  return frame(
    { title: `${listed.title} – ${title}`, nonce },
    html`${bar(title, visitor)} ${serverHead(listed, clientHeaders, more)}
      <main data-capabilities${parts && trialAttributes(listed, parts)}>
        ${
          introspection === NOT_CONNECTED
            ? html`<p class="empty">${NOT_CONNECTED.error}</p>`
            : renderCapabilities(introspection, parts)
        }
      </main>`,
  )
}

/** The page from which the browser goes on by itself to where an account is connected. */
export function goingOnPage({ title }: PageSettings, url: string, visitor: PageVisitor, nonce: string): Html {
  return frame(
    { title: `Connect your account – ${title}`, nonce },
    html`${bar(title, visitor)}
      <main class="message">
        <h1>Connect your account</h1>
        <p><a class="primary" href="${url}">Go on</a></p>
      </main>`,
  )
}

/** What went wrong, why, and where to go from here. */
export interface PageMessage {
  readonly status: number
  readonly message: string
}

const HEADINGS: Readonly<Record<number, string>> = {
  401: 'Please sign in',
  403: 'Not allowed',
  404: 'Not found',
  429: 'Too many requests',
  503: 'Not available at the moment',
}

export function messagePage(
  { title }: PageSettings,
  { status, message }: PageMessage,
  visitor: PageVisitor,
  nonce: string,
): Html {
  const heading = HEADINGS[status] ?? 'Something went wrong'
  return frame(
    { title: `${heading} – ${title}`, nonce },
    html`${bar(title, visitor)}
      <main class="message">
        <h1>${heading}</h1>
        <p role="alert">${message}</p>
        <p class="ways">
          ${visitor.signIn !== undefined && html`<a class="primary" href="${visitor.signIn}">Sign in</a>`}
          ${status !== 401 && html`<a href="?">All servers</a>`}
        </p>
      </main>`,
  )
}

/** Where one is, and who. `above` is the title of the list, on the pages below it. */
export function bar(above: string | undefined, { principal, signIn, maySeeActivity }: PageVisitor): HtmlContent {
  const who =
    principal !== undefined
      ? html`<p class="who">
          <span class="unseen">Signed in as </span>${nonEmptyText(principal, 'name') ?? principal.id}
        </p>`
      : signIn !== undefined && html`<p class="who"><a href="${signIn}">Sign in</a></p>`
  const activity = maySeeActivity === true && html`<a href="?view=activity">Activity</a>`
  if (above === undefined && who === false && activity === false) return undefined
  return html`<div class="where">
    ${above !== undefined && html`<nav aria-label="Breadcrumb"><a href="?">${above}</a></nav>`}
    <div class="aside">${activity} ${who}</div>
  </div>`
}

/** The filter needs the script; the style hides it without one. */
function filter(tags: readonly string[], count: number): Html {
  return html`<form class="filter" role="search" data-filter="servers" data-what="servers">
    <label class="unseen" for="filter">Filter servers</label>
    <input type="search" id="filter" placeholder="Filter servers" autocomplete="off" spellcheck="false" />
    ${tags.length > 0 && html`<div class="chips" role="group" aria-label="Filter by tag">${tags.map((tag) => html`<button type="button" aria-pressed="false" data-tag="${tag}">${tag}</button>`)}</div>`}
    <p class="unseen" role="status" data-count>${count} servers</p>
  </form>`
}
