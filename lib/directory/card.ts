/** A server's card on the page: its description, health, endpoint, and how clients are connected to it. */
import type { HealthStatus } from './health.ts'
import { html, type Html, type HtmlContent } from '../pages/html.ts'
import type { ListedServer } from './listing.ts'
import { relativeTime } from '../pages/relative-time.ts'
import { installLinks, type Snippet, snippetsFor } from './snippets.ts'

/** Without `capabilities` the card has a link that introspects the server. */
export function card(
  listed: ListedServer,
  index: number,
  headers: ReadonlyMap<string, string>,
  capabilities?: Html,
): Html {
  const id = `server-${index}`
  const { name, title, description, tags, url } = listed
  const snippets = snippetsFor(listed, headers)
  return html`<li class="card" data-card data-tags="${JSON.stringify(tags)}">
    <article aria-labelledby="${id}">
      <div data-text>
        <div class="head">
          <h2 id="${id}">${title}</h2>
          <p class="name"><span class="unseen">Identifier: </span><code>${name}</code></p>
          ${health(listed.health)}
        </div>
        ${description !== undefined && html`<p class="description">${description}</p>`}
        ${
          tags.length > 0 &&
          html`<ul class="tags" aria-label="Tags">
            ${tags.map((tag) => html`<li>${tag}</li>`)}
          </ul>`
        }
      </div>
      <div class="endpoint">
        <code id="${id}-url">${url}</code>${copyButton(`${id}-url`, `the endpoint of ${title}`)}
      </div>
      <p class="installs">
        ${installLinks(listed, headers).map(({ client, href }) => html`<a href="${href}">Add to ${client}</a>`)}
      </p>
      <details class="fold">
        <summary>Connect a client</summary>
        ${connect(snippets, id, title)}
      </details>
      ${capabilities ? html`<section class="fold opened" aria-label="What ${title} offers">${capabilities}</section>` : introspectLink(name, title)}
    </article>
  </li>`
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

export function health({ status, at, process }: HealthStatus): Html {
  const when: HtmlContent = at !== undefined && html` <time datetime="${at}">${relativeTime(at)}</time>`
  const end: HtmlContent =
    process && ` (its process ended: ${String('signal' in process ? process.signal : process.exitCode)})`
  return html`<p class="health ${status}">${STATUS_TEXT[status]}${end}${when}</p>`
}

/** Tabs that work without a script: radio buttons, and a style that shows the pane of the checked one. */
function connect(snippets: readonly Snippet[], id: string, title: string): Html {
  const group = `${id}-client`
  return html`<fieldset class="clients">
    <legend class="unseen">Client for ${title}</legend>
    ${snippets.map(
      ({ client }, index) =>
        html`<input type="radio" name="${group}" id="${group}-${index}" ${index === 0 && html` checked`} /><label
            for="${group}-${index}"
            >${client}</label
          >`,
    )}
    <div class="panes">${snippets.map((snippet, index) => pane(snippet, `${group}-${index}-code`, title))}</div>
  </fieldset>`
}

function pane({ client, where, code }: Snippet, id: string, title: string): Html {
  return html`<div class="pane">
    <div class="bar">
      <p>${where}</p>
      ${copyButton(id, `the ${client} snippet for ${title}`)}
    </div>
    <pre><code id="${id}">${code}</code></pre>
  </div>`
}

/** With a script, opening the element introspects the server; without one, its link leads to a page of its own. */
function introspectLink(name: string, title: string): Html {
  const href = `?server=${encodeURIComponent(name)}`
  return html`<details class="fold" data-ask="${href}">
    <summary>Tools, prompts and resources</summary>
    <div class="answer">
      <p><a href="${href}">Ask ${title} what it offers</a></p>
    </div>
  </details>`
}
