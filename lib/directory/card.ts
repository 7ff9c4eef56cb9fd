/** A server's card on the page: what it is, how it does, where it is and how clients are connected. */
import { ago } from './ago.ts'
import type { Lately } from './health.ts'
import { type Content, html, type Html } from './html.ts'
import type { Listed } from './listing.ts'
import { installLinks, type Snippet, snippetsFor } from './snippets.ts'

/** `offer` is what the server offers, when it has been asked; else there is a way to ask it. */
export function card(listed: Listed, index: number, headers: ReadonlyMap<string, string>, offer?: Html): Html {
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
      ${offer ? html`<section class="fold opened" aria-label="What ${title} offers">${offer}</section>` : ask(name, title)}
    </article>
  </li>`
}

function copyButton(target: string, what: string): Html {
  return html`<button type="button" class="copy" data-copy="${target}" aria-label="Copy ${what}">
    <span>Copy</span>
  </button>`
}

const SAID: Readonly<Record<Lately['status'], string>> = {
  answering: 'Answered',
  failing: 'Did not answer',
  unknown: 'Not used yet',
}

export function health({ status, at }: Lately): Html {
  const when: Content = at !== undefined && html` <time datetime="${at}">${ago(at)}</time>`
  return html`<p class="health ${status}">${SAID[status]}${when}</p>`
}

/** Tabs without a script: radio buttons, and a style that shows the pane of the one that is checked. */
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

/** Without a script it is a link to a page of its own. */
function ask(name: string, title: string): Html {
  const href = `?server=${encodeURIComponent(name)}`
  return html`<details class="fold" data-ask="${href}">
    <summary>Tools, prompts and resources</summary>
    <div class="answer">
      <p><a href="${href}">Ask ${title} what it offers</a></p>
    </div>
  </details>`
}
