/** The rows of a server's lists: a tool, a prompt, a resource, each with what it takes and how it is tried. */
import { isObject, type JsonObject, member, nonEmptyText } from '../util/json.ts'
import { breakable, html, type Html, type HtmlContent } from '../pages/html.ts'
import { curlFold, type TrialParts } from './trial.ts'

/** How many parameters of a tool are listed. */
const MAX_ROWS = 100

/** A mark of a row, and how much it warns. */
interface Mark {
  readonly text: string
  readonly tone?: 'bad' | 'doubtful'
}

/** What a row is made of. */
interface ItemParts {
  readonly name: string
  readonly item: JsonObject
  readonly marks: readonly Mark[]
  /** What can be tried with it; `undefined` where nothing is tried. */
  readonly trial?: ItemTrial | undefined
  readonly more: readonly HtmlContent[]
}

/** What the script reads of an item that can be tried. */
interface ItemTrial {
  readonly kind: 'tool' | 'prompt' | 'resource'
  readonly target: string
  /** Whether the visitor is asked first. */
  readonly confirm?: boolean
  /** The schema of a prompt's arguments. */
  readonly arguments?: JsonObject
}

export function toolItem(item: JsonObject, trial: TrialParts | undefined): Html {
  const name = nonEmptyText(item, 'name') ?? ''
  const input = member(item, 'inputSchema')
  const output = member(item, 'outputSchema')
  const annotations = member(item, 'annotations')
  const request = { method: 'tools/call', params: { name, arguments: {} }, inputSchema: input }
  return details({
    name,
    item,
    marks: hints(annotations),
    trial: trial && { kind: 'tool', target: name, confirm: mayDestroy(annotations) },
    more: [
      parameters(input),
      schema('Input schema', input, true),
      schema('Output schema', output, false),
      trial && curlFold(trial, request),
    ],
  })
}

export function promptItem(item: JsonObject, trial: TrialParts | undefined): Html {
  const name = nonEmptyText(item, 'name') ?? ''
  const given = member(item, 'arguments')
  const properties = (Array.isArray(given) ? given.filter(isObject) : []).map((argument) => ({
    name: nonEmptyText(argument, 'name') ?? '',
    required: argument['required'] === true,
    description: nonEmptyText(argument, 'description'),
  }))
  const rows = properties.map((each) => row(each.name, undefined, each.required, each.description))
  const argumentsSchema = {
    type: 'object',
    properties: Object.fromEntries(properties.map((each) => [each.name, { type: 'string', ...withText(each) }])),
    required: properties.filter(({ required }) => required).map((each) => each.name),
  }
  const request = { method: 'prompts/get', params: { name, arguments: {} } }
  return details({
    name,
    item,
    marks: [],
    trial: trial && { kind: 'prompt', target: name, arguments: argumentsSchema },
    more: [rows.length > 0 && html`<dl class="parameters">${rows}</dl>`, trial && curlFold(trial, request)],
  })
}

function withText({ description }: { readonly description: string | undefined }): object {
  return description === undefined ? {} : { description }
}

export function resourceItem(item: JsonObject, trial: TrialParts | undefined): Html {
  const address = nonEmptyText(item, 'uri') ?? nonEmptyText(item, 'uriTemplate') ?? ''
  const name = nonEmptyText(item, 'name') ?? address
  const type = nonEmptyText(item, 'mimeType')
  const request = { method: 'resources/read', params: { uri: address } }
  return details({
    name,
    item,
    marks: type === undefined ? [] : [{ text: type }],
    trial: trial && { kind: 'resource', target: address },
    more: [address !== '' && html`<p class="address"><code>${address}</code></p>`, trial && curlFold(trial, request)],
  })
}

/** A row with a name that expands to a description and `more`. */
function details({ name, item, marks, trial, more }: ItemParts): Html {
  const title = nonEmptyText(item, 'title') ?? nonEmptyText(member(item, 'annotations'), 'title')
  const description = nonEmptyText(item, 'description')
  const hasTitle = title !== undefined && !repeats(title, name)
  const brief = hasTitle ? title : description
  const attributes =
    trial &&
    html` data-trial="${trial.kind}"
    data-target="${trial.target}"${trial.confirm === true && html` data-confirm`}${trial.arguments && html` data-arguments="${JSON.stringify(trial.arguments)}"`}`
  const content = more.filter(Boolean)
  return html`<details class="item" ${attributes}>
    <summary>
      <span class="line" data-text>
        <code>${breakable(name)}</code>
        ${brief !== undefined && html`<span class="brief${!hasTitle && ' said'}">${firstLine(brief)}</span>`}
        ${marks.length > 0 && html`<span class="marks">${marks.map(({ text, tone }) => html`<span class="mark ${tone}">${text}</span> `)}</span>`}
      </span>
    </summary>
    ${description !== undefined && html`<p class="prose">${description}</p>`}
    <div class="more" data-more>${content}</div>
    ${description === undefined && content.length === 0 && html`<p class="quiet">No description.</p>`}
  </details>`
}

const FIRST_LINE = /^.*/

function firstLine(text: string): string {
  return FIRST_LINE.exec(text.trim())![0]
}

/** Whether a title says no more than the name: `Get weather` of `get_weather`. */
function repeats(title: string, name: string): boolean {
  const plain = (text: string): string => text.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, '')
  return plain(title) === plain(name)
}

/** What a tool says of itself, for people: nothing enforces it. A tool that says nothing may destroy. (11 schema, ToolAnnotations) */
function hints(annotations: unknown): Mark[] {
  if (hint(annotations, 'readOnlyHint') === true) return [{ text: 'read-only' }]
  const destructive = hint(annotations, 'destructiveHint')
  const mark: Mark[] =
    destructive === undefined
      ? [{ text: 'may change things', tone: 'doubtful' }]
      : [destructive ? { text: 'destructive', tone: 'bad' } : { text: 'adds' }]
  return hint(annotations, 'idempotentHint') === true ? [...mark, { text: 'idempotent' }] : mark
}

function mayDestroy(annotations: unknown): boolean {
  return hint(annotations, 'readOnlyHint') !== true && hint(annotations, 'destructiveHint') !== false
}

function hint(annotations: unknown, name: string): boolean | undefined {
  const value = member(annotations, name)
  return typeof value === 'boolean' ? value : undefined
}

function parameters(input: unknown): HtmlContent {
  const properties = member(input, 'properties')
  if (!isObject(properties) || Object.keys(properties).length === 0) return undefined
  const required = member(input, 'required')
  const all = Object.entries(properties)
  const rows = all.slice(0, MAX_ROWS).map(([name, property]) => {
    const isRequired = Array.isArray(required) && required.includes(name)
    return row(name, typeOf(property), isRequired, nonEmptyText(property, 'description'))
  })
  return html`<dl class="parameters">${rows}</dl>
    ${all.length > MAX_ROWS && html`<p class="quiet">${all.length - MAX_ROWS} more are in the schema.</p>`}`
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

/** The script reads a tool's input schema from here. */
function schema(title: string, value: unknown, isInput: boolean): HtmlContent {
  if (!isObject(value)) return undefined
  return html`<details class="schema">
    <summary>${title}</summary>
    <pre tabindex="0"><code${isInput && html` data-schema`}>${JSON.stringify(value, null, 2)}</code></pre>
  </details>`
}
