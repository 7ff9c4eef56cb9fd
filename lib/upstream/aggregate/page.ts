/** A page of a member's list as clients see it, and the pages that are known by their very text. */
import { patchJson } from '../../exchange/json-patch.ts'
import { itemTexts, valueText } from '../../exchange/json-text.ts'
import type { RequestId } from '../../types.ts'
import { isObject, type JsonObject, member as memberOf, parseJson } from '../../util/json.ts'
import { WeightedMap } from '../../util/weighted-map.ts'
import { advertisedItem, type ListKind, nameIn } from './list-kinds.ts'
import type { Member } from './members.ts'

/** Whose list it is, and how its items are shown. */
export interface PageSource {
  readonly member: Member
  readonly list: ListKind
  readonly separator: string | false
  readonly cursor: string | undefined
}

/** An item by the name that its member calls it, and its text as clients see it. */
export interface ListItem {
  readonly name: string
  readonly text: string
}

/** The result of a list as a member has answered it. */
export class Page {
  readonly items: readonly ListItem[]
  /** The texts of the items, with commas between them. */
  readonly text: string
  /** How long the items are as the member has written them, in characters. */
  readonly chars: number
  readonly nextCursor: string | undefined
  /** For how long the result may be cached, and by whom. (2026-07-28 caching) */
  readonly ttlMs: number
  readonly isPublic: boolean

  /** Of a result and the text of the response that it stands in. */
  constructor(result: JsonObject, response: string, source: PageSource) {
    const items = namedItems(result, response, source)
    this.items = items.map(({ name, text }) => ({ name, text }))
    this.text = items.map(({ text }) => text).join(',')
    this.chars = items.reduce((chars, item) => chars + item.chars, 0)
    const { nextCursor, ttlMs, cacheScope } = result
    this.nextCursor = typeof nextCursor === 'string' ? nextCursor : undefined
    this.ttlMs = typeof ttlMs === 'number' && ttlMs > 0 ? ttlMs : 0
    this.isPublic = cacheScope === 'public'
  }
}

/** Items without a name are left out: nobody could call them. */
function namedItems(
  result: JsonObject,
  response: string,
  { list, member, separator }: PageSource,
): readonly (ListItem & { readonly chars: number })[] {
  const items = memberOf(result, list.key)
  if (!Array.isArray(items)) return []
  const texts = itemTexts(valueText(response, ['result', list.key]) ?? '[]')
  return items.flatMap((json: unknown, index) => {
    const name = nameIn(json, list)
    if (name === undefined || !isObject(json)) return []
    const own = texts[index]!
    const text = separator === false ? own : shownText(json, own, advertisedItem(json, list, member.name, separator))
    return { name, text, chars: own.length }
  })
}

/** Most items begin with their name, and differ in nothing else. One that may have a second name is read as a whole. */
function shownText(json: JsonObject, text: string, shown: JsonObject): string {
  const head = `{"name":${JSON.stringify(json['name'])}`
  const isPlain = text.startsWith(head) && json['_meta'] === shown['_meta'] && json['name'] !== shown['name']
  if (!isPlain || text.includes('"name"', head.length) || text.includes('\\u')) return patchJson(text, json, shown)
  return `{"name":${JSON.stringify(shown['name'])}${text.slice(head.length)}`
}

/** How many pages are known, and how many bytes they hold. */
const MAX_KNOWN_PAGES = 1_000
const MAX_PAGE_BYTES = 16 * 1024 * 1024

/** What a character of a page, and what an item costs, in bytes: the text is there twice, as it came and as it is shown. */
const PER_CHAR_BYTES = 3
const PER_ITEM_BYTES = 200

interface KnownPage {
  readonly text: string
  readonly page: Page
}

/**
 * The last page of each list by the text that the member has answered, but for the id: as long as a member answers the
 * very same text, nothing of it is parsed, and nothing renamed. It saves no request, and shows nobody what is another's.
 */
export class KnownPages {
  readonly #pages = new WeightedMap<KnownPage>(MAX_KNOWN_PAGES, MAX_PAGE_BYTES)

  /** As JSON.parse of a response, but with a `Page` as the result where the text is known. */
  parse(text: string, id: RequestId, source: PageSource): unknown {
    const rest = withoutId(text, id)
    const known = rest === undefined ? undefined : this.#pages.get(keyOfPage(source))
    return known && known.text === rest ? { jsonrpc: '2.0', id, result: known.page } : parseJson(text)
  }

  /** Makes the page of a response, and remembers it. */
  pageOf(result: JsonObject, text: string, id: RequestId, source: PageSource): Page {
    const page = new Page(result, text, source)
    const rest = withoutId(text, id)
    if (rest !== undefined) {
      const bytes = PER_CHAR_BYTES * (rest.length + page.text.length) + PER_ITEM_BYTES * page.items.length
      this.#pages.set(keyOfPage(source), { text: rest, page }, bytes)
    }
    return page
  }
}

function keyOfPage({ member, list, separator, cursor }: PageSource): string {
  return JSON.stringify([member.server, list.method, separator, cursor])
}

/** A response's text but for the id, if that is the first or the last that is said; `undefined` if it is elsewhere. */
function withoutId(text: string, id: RequestId): string | undefined {
  const said = JSON.stringify(id)
  const head = `{"jsonrpc":"2.0","id":${said},`
  if (text.startsWith(head)) return text.slice(head.length)
  const tail = `,"jsonrpc":"2.0","id":${said}}`
  return text.endsWith(tail) ? text.slice(0, -tail.length) : undefined
}
