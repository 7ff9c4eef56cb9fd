/** A server in the list, and the head of its own page: description, health, endpoint, and how clients are connected. */
import type { HealthStatus } from './health.ts'
import { breakable, html, type Html, type HtmlContent } from '../pages/html.ts'
import type { ListedServer } from './listing.ts'
import { relativeTime } from '../pages/relative-time.ts'
import { installLinks, type Snippet, snippetsFor } from './snippets.ts'

type ClientHeaders = ReadonlyMap<string, string>

/** One row of the list. Its title leads to the server's page; the rest of it opens in place. */
export function card(listed: ListedServer, index: number, headers: ClientHeaders): Html {
  const id = `server-${index}`
  const { name, title, description, tags } = listed
  return html`<li class="row ${listed.health.status}" data-card data-entry data-tags="${JSON.stringify(tags)}">
    <article aria-labelledby="${id}">
      <div class="head" data-text>
        <h2 id="${id}"><a href="?server=${encodeURIComponent(name)}">${title}</a></h2>
        ${name !== title && html`<p class="name"><span class="unseen">Identifier: </span><code>${name}</code></p>`}
        ${health(listed.health)} ${description !== undefined && html`<p class="description">${description}</p>`}
        ${tagList(tags)}
      </div>
      ${accountForms(listed, 'small')}
      <details class="fold connect">
        <summary aria-label="Connect a client to ${title}">Connect</summary>
        ${connections(listed, id, headers)}
      </details>
    </article>
  </li>`
}

/** The head of a server's own page. `more` follows its title. */
export function serverHead(listed: ListedServer, headers: ClientHeaders, more: HtmlContent): Html {
  const { name, title, description, tags } = listed
  return html`<header class="top server">
    <div class="head">
      <h1>${title}</h1>
      ${name !== title && html`<p class="name"><span class="unseen">Identifier: </span><code>${name}</code></p>`}
      ${health(listed.health)}
    </div>
    ${more} ${description !== undefined && html`<p class="description">${description}</p>`} ${tagList(tags)}
    ${accountForms(listed, 'primary')} ${endpoint(listed, 'server')}
    <details class="fold">
      <summary>Connect a client</summary>
      ${installs(listed, headers)} ${clients(snippetsFor(listed, headers), 'server', title)}
    </details>
  </header>`
}

/** Whether the accounts that a server needs are connected, each with the button that changes it. */
function accountForms({ name, title, accounts }: ListedServer, look: 'small' | 'primary'): HtmlContent {
  return accounts.map(({ member, isConnected }) => {
    const whose = member === '' ? title : `${member} in ${title}`
    const said = member === '' ? 'Your account' : html`Your account at <code>${member}</code>`
    const [state, button, value] = isConnected
      ? (['connected', 'Disconnect', 'disconnect'] as const)
      : (['not connected', 'Connect your account', 'connect'] as const)
    return html`<form
      class="account ${isConnected && 'connected'}"
      method="post"
      action="?server=${encodeURIComponent(name)}"
    >
      <p>${said}: <strong>${state}</strong></p>
      <input type="hidden" name="member" value="${member}" />
      <button class="${isConnected ? 'small' : look}" name="account" value="${value}">
        ${button}<span class="unseen"> of ${whose}</span>
      </button>
    </form>`
  })
}

function tagList(tags: readonly string[]): HtmlContent {
  return (
    tags.length > 0 &&
    html`<ul class="tags" aria-label="Tags">
      ${tags.map((tag) => html`<li>${tag}</li>`)}
    </ul>`
  )
}

function connections(listed: ListedServer, id: string, headers: ClientHeaders): Html {
  return html`${endpoint(listed, id)} ${installs(listed, headers)}
  ${clients(snippetsFor(listed, headers), id, listed.title)}`
}

function endpoint({ url, title }: ListedServer, id: string): Html {
  return html`<div class="endpoint">
    <code id="${id}-url">${breakable(url)}</code>${copyButton(`${id}-url`, `the endpoint of ${title}`)}
  </div>`
}

/** No link is shown that would connect a client which then cannot log in. */
function installs(listed: ListedServer, headers: ClientHeaders): HtmlContent {
  if (!listed.isConnectable && headers.size === 0) return undefined
  const links = installLinks(listed, headers)
  return html`<p class="installs">${links.map(({ client, href }) => html`<a href="${href}">Add to ${client}</a>`)}</p>`
}

function copyButton(target: string, what: string): Html {
  return html`<button type="button" class="copy" data-copy="${target}" aria-label="Copy ${what}">
    <span>Copy</span>
  </button>`
}

const STATUS_TEXT: Readonly<Record<HealthStatus['status'], string>> = {
  answering: 'Answered',
  failing: 'Did not answer',
  unknown: 'Not used yet',
}

function health({ status, at, process }: HealthStatus): Html {
  const when: HtmlContent = at !== undefined && html` <time datetime="${at}">${relativeTime(at)}</time>`
  const end: HtmlContent =
    process && ` (its process ended: ${String('signal' in process ? process.signal : process.exitCode)})`
  return html`<p class="health ${status}">${STATUS_TEXT[status]}${end}${when}</p>`
}

/** Tabs that work without a script: radio buttons, and a style that shows the pane of the checked one. */
function clients(snippets: readonly Snippet[], id: string, title: string): Html {
  const group = `${id}-client`
  return html`<fieldset class="clients">
    <legend class="unseen">Client for ${title}</legend>
    <div class="tabs">
      ${snippets.map(
        ({ client }, index) =>
          html`<input type="radio" name="${group}" id="${group}-${index}" ${index === 0 && html` checked`} /><label
              for="${group}-${index}"
              >${client}</label
            >`,
      )}
    </div>
    <div class="panes">${snippets.map((snippet, index) => pane(snippet, `${group}-${index}-code`, title))}</div>
  </fieldset>`
}

function pane({ client, where, code }: Snippet, id: string, title: string): Html {
  return html`<div class="pane">
    <div class="bar">
      <p>${where}</p>
      ${copyButton(id, `the ${client} snippet for ${title}`)}
    </div>
    <pre tabindex="0"><code id="${id}">${code}</code></pre>
  </div>`
}
