/** The messages of a call, as they were on the wire, within limits. */
import { element, foldedBlock } from './elements.ts'

/** How many messages are kept, and how much of each, in characters. */
const MAX_LOGGED = 100
const MAX_LOGGED_CHARS = 20_000

const SIGNS = { sent: '→', received: '←' } as const

export class WireLog {
  readonly #entries: { readonly direction: keyof typeof SIGNS; readonly atMs: number; readonly text: string }[] = []
  readonly #startedAt = performance.now()
  #count = 0

  readonly add = (direction: keyof typeof SIGNS, message: object): void => {
    this.#count += 1
    if (this.#entries.length === MAX_LOGGED) return
    const text = loggedText(message)
    this.#entries.push({ direction, atMs: performance.now() - this.#startedAt, text })
  }

  render(): HTMLElement {
    return foldedBlock(`On the wire: ${this.#count} ${this.#count === 1 ? 'message' : 'messages'}`, () => {
      const rows = this.#entries.map(({ direction, atMs, text }) =>
        element(
          'li',
          { class: direction },
          element('p', {}, `${SIGNS[direction]} ${direction} after ${Math.round(atMs)} ms`),
          element('pre', { tabindex: 0 }, element('code', {}, text)),
        ),
      )
      const rest = this.#count - this.#entries.length
      return element('ol', { class: 'wire' }, ...rows, rest > 0 && element('li', {}, `${rest} more are not shown`))
    })
  }
}

function loggedText(message: object): string {
  try {
    const text = JSON.stringify(message, null, 2)
    return text.length > MAX_LOGGED_CHARS ? `${text.slice(0, MAX_LOGGED_CHARS)}…` : text
  } catch {
    return 'This message is nested too deeply to be shown.'
  }
}
