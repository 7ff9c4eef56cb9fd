/** A server's capabilities as HTML: its identity, instructions, tools, prompts and resources. */
import { isObject, type JsonObject, member, nonEmptyText } from '../util/json.ts'
import { html, type Html, type HtmlContent } from '../pages/html.ts'
import type { Capabilities, CapabilityList } from './introspect.ts'
import type { Introspection } from './listing.ts'

export function renderCapabilities(introspection: Introspection): Html {
  if ('error' in introspection) {
    const { error } = introspection
    return html`<p class="fault" role="status"><strong>The server could not be asked.</strong> ${error}</p>`
  }
  const { instructions, tools, prompts, resources, resourceTemplates } = introspection.capabilities
  const sections = [
    section('Tools', tools, tool),
    section('Prompts', prompts, prompt),
    section('Resources', resources, resource),
    section('Resource templates', resourceTemplates, resource),
  ]
  return html`${identity(introspection.capabilities)}
  ${
    instructions !== undefined &&
    html`<h3>Instructions</h3>
      <p class="prose">${instructions}</p>`
  }
  ${sections}
  ${sections.every((one) => one === undefined) && html`<p class="quiet">It offers no tools, prompts or resources.</p>`}`
}

function identity({ server, protocolVersions }: Capabilities): Html {
  const name = nonEmptyText(server, 'title') ?? nonEmptyText(server, 'name') ?? 'It does not say its name'
  const version = nonEmptyText(server, 'version')
  return html`<p class="identity">
    <strong>${name}</strong>${version !== undefined && html` <span>version ${version}</span>`}${
      protocolVersions.length > 0 && html` <span>MCP ${protocolVersions.join(', ')}</span>`
    }
  </p>`
}

function section(
  title: string,
  { items, hasMore, error }: CapabilityList,
  show: (item: JsonObject) => Html,
): Html | undefined {
  if (items.length === 0 && !hasMore && error === undefined) return undefined
  return html`<h3>${title} <span class="count">${items.length}${hasMore && '+'}</span></h3>
    ${error !== undefined && html`<p class="fault">The server says: ${error}</p>`}
    <ul class="items">
      ${items.map((item) => html`<li>${show(item)}</li>`)}
    </ul>
    ${hasMore && html`<p class="quiet">There is more than these ${items.length}.</p>`}`
}

function tool(item: JsonObject): Html {
  const input = member(item, 'inputSchema')
  const output = member(item, 'outputSchema')
  return details(item, hints(member(item, 'annotations')), [
    parameters(input),
    schema('Input schema', input),
    schema('Output schema', output),
  ])
}

function prompt(item: JsonObject): Html {
  const given = member(item, 'arguments')
  const rows = (Array.isArray(given) ? given.filter(isObject) : []).map((argument) =>
    row(
      nonEmptyText(argument, 'name') ?? '',
      undefined,
      argument['required'] === true,
      nonEmptyText(argument, 'description'),
    ),
  )
  return details(item, [], [rows.length > 0 && html`<dl class="parameters">${rows}</dl>`])
}

function resource(item: JsonObject): Html {
  const address = nonEmptyText(item, 'uri') ?? nonEmptyText(item, 'uriTemplate')
  const type = nonEmptyText(item, 'mimeType')
  return details(item, type === undefined ? [] : [type], [
    address !== undefined && html`<p class="address"><code>${address}</code></p>`,
  ])
}

/** A row with a name that expands to a description and `more`. */
function details(item: JsonObject, marks: readonly string[], more: readonly HtmlContent[]): Html {
  const name = nonEmptyText(item, 'name') ?? ''
  const title = nonEmptyText(item, 'title') ?? nonEmptyText(member(item, 'annotations'), 'title')
  const description = nonEmptyText(item, 'description')
  const shown = html`<span class="line">
    <code>${name}</code>
    ${title !== undefined && title !== name && html`<span class="title">${title}</span>`}
    ${marks.map((mark) => html`<span class="mark">${mark}</span>`)}
    ${description !== undefined && html`<span class="brief" aria-hidden="true">${description}</span>`}
  </span>`
  const content = [description !== undefined && html`<p class="prose">${description}</p>`, ...more].filter(Boolean)
  return html`<details class="item">
    <summary>${shown}</summary>
    ${content.length > 0 ? content : html`<p class="quiet">No description.</p>`}
  </details>`
}

/** The server's own annotations of a tool: hints for people, which nothing enforces. */
function hints(annotations: unknown): string[] {
  const is = (hint: string, value: boolean): boolean => member(annotations, hint) === value
  if (is('readOnlyHint', true)) return ['read-only']
  return [is('destructiveHint', true) && 'destructive', is('idempotentHint', true) && 'idempotent'].filter(
    (mark) => mark !== false,
  )
}

function parameters(input: unknown): HtmlContent {
  const properties = member(input, 'properties')
  if (!isObject(properties) || Object.keys(properties).length === 0) return undefined
  const required = member(input, 'required')
  return html`<dl class="parameters">
    ${Object.entries(properties).map(([name, property]) =>
      row(
        name,
        typeOf(property),
        Array.isArray(required) && required.includes(name),
        nonEmptyText(property, 'description'),
      ),
    )}
  </dl>`
}

function row(name: string, type: string | undefined, required: boolean, description: string | undefined): Html {
  return html`<div>
    <dt>
      <code>${name}</code
      >${type !== undefined && html` <span class="type">${type}</span>`}${required && html` <span class="mark">required</span>`}
    </dt>
    <dd>${description}</dd>
  </div>`
}

function typeOf(property: unknown): string | undefined {
  const options = member(property, 'enum')
  if (Array.isArray(options)) return options.map((option) => JSON.stringify(option)).join(' | ')
  const type = member(property, 'type')
  return Array.isArray(type) ? type.join(' | ') : nonEmptyText(property, 'type')
}

function schema(title: string, value: unknown): HtmlContent {
  if (!isObject(value)) return undefined
  return html`<details class="schema">
    <summary>${title}</summary>
    <pre><code>${JSON.stringify(value, null, 2)}</code></pre>
  </details>`
}
