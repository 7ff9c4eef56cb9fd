/** A field for JSON, where a form has none. */
import { element } from './elements.ts'
import type { Field } from './fields.ts'

const SPACES = 2

export function jsonField(id: string, required: boolean, initial: unknown): Field {
  const shown = element('textarea', { id, class: 'json', rows: 4, required, spellcheck: 'false', autocomplete: 'off' })
  shown.value = initial === undefined ? '' : JSON.stringify(initial, null, SPACES)
  const check = (): void => shown.setCustomValidity(faultOfJson(shown.value))
  shown.addEventListener('input', check)
  check()
  return { shown, read: () => (shown.value.trim() === '' ? undefined : (JSON.parse(shown.value) as unknown)) }
}

/** What is wrong with a JSON text; empty for a good one, and for an empty one. */
export function faultOfJson(text: string): string {
  if (text.trim() === '') return ''
  try {
    let inexact: number | undefined
    JSON.parse(text, (_key, value: unknown) => {
      if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) inexact = value
      return value
    })
    return inexact === undefined ? '' : `${inexact} is too large for a number here: it would be rounded`
  } catch (error) {
    return `Not JSON: ${(error as Error).message}`
  }
}
