/** Creates elements. What a server says becomes text nodes and values, never markup. */

type Child = Node | string | undefined | false
type Attributes = Readonly<Record<string, string | number | boolean | undefined>>

/** An element with attributes, of which `undefined` and `false` are left out, and children. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(name, value === true ? '' : String(value))
  }
  made.append(...children.filter((child) => child !== undefined && child !== false))
  return made
}

/** A button that does not submit its form. */
export function button(label: string, attributes: Attributes, onClick: () => void): HTMLButtonElement {
  const made = element('button', { type: 'button', ...attributes }, label)
  made.addEventListener('click', onClick)
  return made
}

export function all<E extends HTMLElement>(selector: string, root: ParentNode = document): E[] {
  return [...root.querySelectorAll<E>(selector)]
}

let madeIds = 0

/** An id that no other element of the page has. */
export function freshId(): string {
  madeIds += 1
  return `made-${madeIds}`
}

/** A closed `<details>` with text that may be long, filled when it is opened. */
export function foldedBlock(summary: string, content: () => Node): HTMLDetailsElement {
  const details = element('details', { class: 'schema' }, element('summary', {}, summary))
  details.addEventListener('toggle', () => details.append(content()), { once: true })
  return details
}

let announcer: HTMLElement | undefined

/** Tells a screen reader, without moving its focus. */
export function announce(text: string): void {
  if (!announcer) document.body.append((announcer = element('p', { class: 'unseen', role: 'status' })))
  announcer.textContent = text
}
