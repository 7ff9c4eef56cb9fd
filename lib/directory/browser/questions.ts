/** Shows what a server asks while a call goes on, and resolves with what the person answers. */
import { isObject, type JsonObject, nonEmptyText } from '../../util/json.ts'
import { announce, button, element, freshId } from './elements.ts'
import { objectForm } from './form.ts'
import { externalLink, hostWithScheme, quietNote } from './results.ts'

/** URLs are opened by a click alone, and only where their host can be believed. */
const SAFE_SCHEMES = ['https:']
const LOOPBACK_NAME = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/

/** Questions of one call come one after the other, in `slot`. A question that is withdrawn is cancelled. */
export class QuestionSlot {
  readonly #slot: HTMLElement
  readonly #server: string
  #last: Promise<unknown> = Promise.resolve()

  constructor(slot: HTMLElement, server: string) {
    this.#slot = slot
    this.#server = server
  }

  readonly ask = (question: JsonObject, signal: AbortSignal): Promise<JsonObject> => {
    const answer = this.#last.then(() => (signal.aborted ? { action: 'cancel' } : this.#show(question, signal)))
    this.#last = answer
    return answer
  }

  #show(question: JsonObject, signal: AbortSignal): Promise<JsonObject> {
    return new Promise((resolve) => {
      const before = document.activeElement
      const over = (answer: JsonObject): void => {
        signal.removeEventListener('abort', withdraw)
        const hadFocus = shown.contains(document.activeElement)
        shown.remove()
        if (hadFocus && before instanceof HTMLElement && before.isConnected) before.focus()
        resolve(answer)
      }
      const withdraw = (): void => over({ action: 'cancel' })
      const body = question['mode'] === 'url' ? urlQuestion(question, over) : formQuestion(question, over)
      const id = freshId()
      const heading = element('h3', { id, tabindex: -1 }, `${this.#server} asks`)
      const text = element('p', { class: 'prose' }, nonEmptyText(question, 'message') ?? '')
      const shown = element('div', { class: 'question', role: 'group', 'aria-labelledby': id }, heading, text, ...body)
      signal.addEventListener('abort', withdraw, { once: true })
      this.#slot.append(shown)
      announce(`${this.#server} asks a question`)
      heading.focus()
    })
  }
}

type Over = (answer: JsonObject) => void

function formQuestion({ requestedSchema }: JsonObject, over: Over): Node[] {
  const schema = isObject(requestedSchema) ? requestedSchema : { type: 'object' }
  const accept = element('button', { type: 'submit', class: 'primary' }, 'Send')
  const form = objectForm(schema, [accept, ...refusals(over)], () => over({ action: 'accept', content: form.read() }))
  return [quietNote('Tell it only what you would tell this server anyway: no passwords, no keys.'), form.shown]
}

function urlQuestion(question: JsonObject, over: Over): Node[] {
  const url = nonEmptyText(question, 'url') ?? ''
  const host = hostWithScheme(url, SAFE_SCHEMES) ?? loopbackOf(url)
  if (host === undefined) {
    return [quietNote(`It wants a page to be opened that is not opened from here: ${url.slice(0, 200)}`), actions(over)]
  }
  const link = externalLink(url, `Open ${host}`)
  link.classList.add('primary')
  // The page is open when the answer is sent.
  link.addEventListener('click', () => setTimeout(() => over({ action: 'accept' })))
  return [element('p', { class: 'address' }, element('code', {}, new URL(url).href)), actions(over, link)]
}

function loopbackOf(url: string): string | undefined {
  const host = hostWithScheme(url, ['http:'])
  return host !== undefined && LOOPBACK_NAME.test(host) ? host : undefined
}

function actions(over: Over, first?: Node): HTMLElement {
  return element('div', { class: 'actions' }, first, ...refusals(over))
}

function refusals(over: Over): HTMLButtonElement[] {
  return [
    button('Decline', {}, () => over({ action: 'decline' })),
    button('Cancel', {}, () => over({ action: 'cancel' })),
  ]
}
