/** Shows results: text, pictures, links to resources, structured content. Nothing of them is parsed as HTML. */
import { type JsonObject, member, nonEmptyText, parseJson } from '../../util/json.ts'
import { button, element, foldedBlock } from './elements.ts'
import { picture } from './pictures.ts'

/** Reads a resource by its URI, where the visitor asks for it. */
export type ReadResource = (uri: string) => void

/** What is shown of a text, in characters, and of a result, in blocks. */
const MAX_TEXT_SHOWN = 100_000
const MAX_BLOCKS = 200

/** The result of `tools/call`, `prompts/get` or `resources/read`. */
export function renderResult(result: JsonObject, onRead: ReadResource): HTMLElement {
  const shown = element('div', { class: 'result' })
  const blocks = blocksOf(result)
  for (const block of blocks.slice(0, MAX_BLOCKS)) shown.append(renderBlock(block, onRead))
  if (blocks.length > MAX_BLOCKS) shown.append(quietNote(`${blocks.length - MAX_BLOCKS} more parts are not shown`))
  const structured = result['structuredContent']
  if (structured !== undefined && !repeatsStructured(structured, blocks)) {
    shown.append(element('h3', {}, 'Structured content'), pre(jsonText(structured)))
  }
  if (!shown.hasChildNodes()) shown.append(quietNote('The result is empty.'))
  return shown
}

/** Content of tools, messages of prompts, contents of resources: as blocks. */
function blocksOf(result: JsonObject): unknown[] {
  const listIn = (key: string): unknown[] => {
    const list = member(result, key)
    return Array.isArray(list) ? (list as unknown[]) : []
  }
  const messages = listIn('messages').map((each) => ({ type: 'message', message: each }))
  const contents = listIn('contents').map((resource) => ({ type: 'resource', resource }))
  return [...listIn('content'), ...messages, ...contents]
}

/** Many servers repeat their structured content as text, for clients that know no better. */
function repeatsStructured(structured: unknown, blocks: readonly unknown[]): boolean {
  const text = blocks.length === 1 ? nonEmptyText(blocks[0], 'text') : undefined
  return text !== undefined && jsonText(parseJson(text)) === jsonText(structured)
}

function renderBlock(block: unknown, onRead: ReadResource): HTMLElement {
  const [text, data, type] = ['text', 'data', 'mimeType'].map((key) => nonEmptyText(block, key))
  switch (member(block, 'type')) {
    case 'text':
      return pre(text ?? '')
    case 'image':
      return picture(data ?? '', type ?? '')
    case 'audio':
      return binary('Sound', data ?? '', type)
    case 'resource_link':
      return resourceLink(block as JsonObject, onRead)
    case 'resource':
      return resourceContent(member(block, 'resource'))
    case 'message':
      return message(member(block, 'message'), onRead)
    default:
      return pre(jsonText(block))
  }
}

function message(given: unknown, onRead: ReadResource): HTMLElement {
  const role = nonEmptyText(given, 'role') ?? 'message'
  return element(
    'div',
    { class: 'prompt-message' },
    element('h3', {}, role),
    renderBlock(member(given, 'content'), onRead),
  )
}

function resourceContent(resource: unknown): HTMLElement {
  const [uri, text, blob, type = ''] = ['uri', 'text', 'blob', 'mimeType'].map((key) => nonEmptyText(resource, key))
  const head = uri !== undefined && element('p', { class: 'address' }, element('code', {}, uri))
  const isPicture = type.startsWith('image/') && blob !== undefined
  const body = isPicture ? picture(blob, type) : blob === undefined ? pre(text ?? '') : binary('Data', blob, type)
  return element('div', { class: 'resource' }, head, body)
}

/** A resource is read by the server; an `https` one may also be opened, by a click, with its host in sight. */
function resourceLink(link: JsonObject, onRead: ReadResource): HTMLElement {
  const uri = nonEmptyText(link, 'uri') ?? ''
  const name = nonEmptyText(link, 'title') ?? nonEmptyText(link, 'name')
  const host = hostWithScheme(uri, ['https:'])
  return element(
    'p',
    { class: 'resource-link' },
    name !== undefined && element('strong', {}, name),
    element('code', {}, uri),
    button('Read', { class: 'small', 'aria-label': `Read ${name ?? uri}` }, () => onRead(uri)),
    host !== undefined && externalLink(uri, `Open ${host}`),
  )
}

/** The host of a URL with one of these schemes. */
export function hostWithScheme(url: string, schemes: readonly string[]): string | undefined {
  if (!URL.canParse(url)) return undefined
  const { protocol, host } = new URL(url)
  return schemes.includes(protocol) && host !== '' ? host : undefined
}

/** `href` must have been checked by `hostWithScheme`. */
export function externalLink(href: string, label: string): HTMLAnchorElement {
  return element('a', { href: new URL(href).href, target: '_blank', rel: 'noopener noreferrer' }, label)
}

function binary(what: string, base64: string, type: string | undefined): HTMLElement {
  const bytes = Math.floor((base64.length * 3) / 4)
  return quietNote(`${what}, ${type ?? 'of an unknown type'}, ${sizeText(bytes)}. It is not shown here.`)
}

export function sizeText(bytes: number): string {
  return bytes < 1_024 ? `${bytes} bytes` : `${(bytes / 1_024).toFixed(bytes < 10_240 ? 1 : 0)} KiB`
}

export function quietNote(text: string): HTMLParagraphElement {
  return element('p', { class: 'quiet' }, text)
}

/** The beginning of the text, and how much more there is. */
export function pre(text: string): HTMLElement {
  const shown = element('pre', { tabindex: 0 }, element('code', {}, text.slice(0, MAX_TEXT_SHOWN)))
  if (text.length <= MAX_TEXT_SHOWN) return shown
  const more = quietNote(`${(text.length - MAX_TEXT_SHOWN).toLocaleString('en')} more characters are not shown.`)
  return element('div', {}, shown, more)
}

export function jsonText(value: unknown): string {
  try {
    return JSON.stringify(value, null, 2) ?? String(value)
  } catch {
    return 'This is nested too deeply to be shown.'
  }
}

/** What is shown when it is opened. */
export function foldedJson(summary: string, value: unknown): HTMLElement {
  return foldedBlock(summary, () => pre(jsonText(value)))
}
