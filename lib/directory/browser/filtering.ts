/** Filters the list of servers by words and tags, and a server's long lists by words. */
import { all } from './elements.ts'

interface Filtered {
  readonly shown: HTMLElement
  readonly text: string
  readonly tags: readonly string[]
}

/** Each `[data-filter]` filters the `[data-entry]` elements of the element whose id it names. */
export function enableFilters(): void {
  for (const form of all<HTMLFormElement>('[data-filter]')) enable(form)
}

function enable(form: HTMLFormElement): void {
  const list = document.getElementById(form.dataset['filter']!)!
  const words = form.querySelector('input')!
  const count = form.querySelector('[role=status]')!
  const chips = all<HTMLButtonElement>('[data-tag]', form)
  const none = list.parentElement!.querySelector<HTMLElement>('[data-none]')!
  const entries = all('[data-entry]', list).map(filtered)
  const filter = (): void => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean)
    const tags = chips.filter(isPressed).map((chip) => chip.dataset['tag']!)
    let left = 0
    for (const { shown, text, tags: own } of entries) {
      const fits = wanted.every((word) => text.includes(word)) && tags.every((tag) => own.includes(tag))
      shown.hidden = !fits
      if (fits) left += 1
    }
    none.hidden = left > 0
    count.textContent = `${left} of ${entries.length} ${form.dataset['what']!}`
  }
  form.addEventListener('submit', (event) => event.preventDefault())
  words.addEventListener('input', filter)
  for (const chip of chips) {
    chip.addEventListener('click', () => {
      chip.setAttribute('aria-pressed', String(!isPressed(chip)))
      filter()
    })
  }
  // A browser may have kept the words of the visit before.
  filter()
}

function filtered(shown: HTMLElement): Filtered {
  const text = (shown.querySelector('[data-text]') ?? shown).textContent.toLowerCase()
  return { shown, text, tags: JSON.parse(shown.dataset['tags'] ?? '[]') as string[] }
}

function isPressed(chip: HTMLButtonElement): boolean {
  return chip.getAttribute('aria-pressed') === 'true'
}
