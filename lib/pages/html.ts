/** Tagged templates for HTML: every value is escaped unless it is an `Html`. */

/** A piece of HTML. */
export class Html {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** The values that a template accepts. `false` and `undefined` render as nothing. */
export type HtmlContent = Html | string | number | false | undefined | readonly HtmlContent[]

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

export function html(strings: TemplateStringsArray, ...values: readonly HtmlContent[]): Html {
  return new Html(strings.reduce((text, part, index) => text + render(values[index - 1]) + part))
}

/** Trusted text that is not escaped: our own styles and scripts. */
export function verbatim(text: string): Html {
  return new Html(text)
}

function render(content: HtmlContent): string {
  if (content === undefined || content === false) return ''
  if (content instanceof Html) return content.text
  if (typeof content === 'object') return content.map(render).join('')
  return String(content).replace(/[&<>"']/g, (character) => ESCAPES[character]!)
}

const WBR = verbatim('<wbr />')

/** The longest text that fits into a line of a phone. */
const LINE_CHARS = 24

/** An address or a name that is broken behind its slashes, dots and underscores before it is broken elsewhere. */
export function breakable(text: string): HtmlContent {
  if (text.length <= LINE_CHARS) return text
  return text.split(/(?<=[\w-][/._-])(?=\w)/).map((part, index) => (index === 0 ? part : [WBR, part]))
}
