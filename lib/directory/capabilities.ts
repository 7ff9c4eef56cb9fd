/** A server's capabilities as HTML: its tools, prompts and resources, and its instructions. */
import { nonEmptyText } from '../util/json.ts'
import { promptItem, resourceItem, toolItem } from './capability-items.ts'
import { html, type Html } from '../pages/html.ts'
import type { Capabilities, CapabilityList, MemberPart } from './introspect.ts'
import type { Introspection } from './listing.ts'
import type { TrialParts } from './trial.ts'

/** From how many items on a list has a filter, which needs the script. */
const MANY_ITEMS = 8

/** How many lines of the instructions are shown while they are folded. */
const SHOWN_LINES = 3

/** A list of a server, with what it is called in the page and in addresses. */
const SECTIONS = [
  ['tools', 'Tools', toolItem],
  ['prompts', 'Prompts', promptItem],
  ['resources', 'Resources', resourceItem],
  ['resourceTemplates', 'Resource templates', resourceItem],
] as const

/** `trial` says how an item is tried; `undefined` where nothing is tried on the page. */
export function renderCapabilities(introspection: Introspection, trial: TrialParts | undefined): Html {
  if ('error' in introspection) {
    const { error } = introspection
    return html`<p class="fault" role="status"><strong>The server could not be asked.</strong> ${error}</p>`
  }
  const { capabilities } = introspection
  const sections = SECTIONS.filter(([key]) => isShown(capabilities[key]))
  const { instructions } = capabilities
  return html`${
    sections.length > 1 &&
    html`<nav class="contents" aria-label="What the server offers">
      ${sections.map(([key, title]) => html`<a href="#${key}">${title} <span class="count">${countOf(capabilities[key])}</span></a>`)}
    </nav>`
  }
  ${sections.map(([key, title, item]) => section(key, title, capabilities[key], (each) => item(each, trial)))}
  ${sections.length === 0 && html`<p class="quiet">It offers no tools, prompts or resources.</p>`}
  ${instructions !== undefined && renderInstructions(instructions)}`
}

/** The line below a server's name: what it calls itself, its version and its revisions. */
export function identity({ server, protocolVersions, members = [] }: Capabilities, shownTitle: string): Html {
  const name = nonEmptyText(server, 'title') ?? nonEmptyText(server, 'name')
  const version = nonEmptyText(server, 'version')
  const parts = [
    name !== undefined && name !== shownTitle && html`<strong>${name}</strong>`,
    version !== undefined && html`<span>version ${version}</span>`,
    protocolVersions.length > 0 && html`<span>MCP ${protocolVersions.join(', ')}</span>`,
    members.length > 0 && html`<span>made of ${members.map(memberText).join(', ')}</span>`,
  ]
  return html`<p class="identity">${parts.map((part) => part && html`${part} `)}</p>`
}

function memberText({ name, missing }: MemberPart): string {
  return missing === undefined ? name : `${name} (missing: ${missing})`
}

function isShown({ items, hasMore, error }: CapabilityList): boolean {
  return items.length > 0 || hasMore === true || error !== undefined
}

function countOf({ items, hasMore }: CapabilityList): string {
  return `${items.length}${hasMore ? '+' : ''}`
}

function section(
  id: string,
  title: string,
  list: CapabilityList,
  show: (item: CapabilityList['items'][number]) => Html,
): Html {
  const { items, hasMore, error } = list
  const what = title.toLowerCase()
  return html`<section class="list" id="${id}" aria-labelledby="${id}-title">
    <div class="list-head">
      <h2 id="${id}-title">${title} <span class="count">${countOf(list)}</span></h2>
      ${
        items.length > MANY_ITEMS &&
        html`<form class="filter" role="search" data-filter="${id}-items" data-what="${what}">
          <label class="unseen" for="${id}-filter">Filter ${what}</label>
          <input type="search" id="${id}-filter" placeholder="Filter ${what}" autocomplete="off" spellcheck="false" />
          <p class="unseen" role="status">${items.length} ${what}</p>
        </form>`
      }
    </div>
    ${error !== undefined && html`<p class="fault">The server says: ${error}</p>`}
    <ul class="items" id="${id}-items">
      ${items.map((item) => html`<li data-entry>${show(item)}</li>`)}
    </ul>
    <p class="empty" data-none hidden>None of them fits that.</p>
    ${hasMore && html`<p class="quiet">There is more than these ${items.length}.</p>`}
  </section>`
}

/** As the server wrote them: most are Markdown, which reads well enough as it is. */
function renderInstructions(instructions: string): Html {
  const lines = instructions.trim().split(/\r?\n/)
  const first = lines.slice(0, SHOWN_LINES).join('\n')
  const rest = lines.length - SHOWN_LINES
  return html`<section class="list" aria-labelledby="instructions-title">
    <h2 id="instructions-title">Instructions for agents</h2>
    ${
      rest <= 0
        ? html`<pre class="instructions">${first}</pre>`
        : html`<details class="instructions">
            <summary>
              <span class="first">${first}</span>
              <span class="more">${rest} more ${rest === 1 ? 'line' : 'lines'}</span>
            </summary>
            <pre>${instructions.trim()}</pre>
          </details>`
    }
  </section>`
}
