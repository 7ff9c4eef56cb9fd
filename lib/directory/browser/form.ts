/** A form for an object: fields made of its schema, or the JSON text of all of it. */
import { isObject, type JsonObject } from '../../util/json.ts'
import { button, element, freshId } from './elements.ts'
import { propertyFields } from './fields.ts'
import { jsonField } from './json-field.ts'
import { hasForm, kindOfSchema } from './schema.ts'

export interface ObjectForm {
  readonly shown: HTMLFormElement
  /** What is filled in; called when the browser finds it valid. */
  read(): JsonObject
}

interface Content {
  readonly shown: readonly Node[]
  read(): JsonObject
}

/** `onSubmit` is called when the browser finds what is filled in valid. `buttons` stand below the fields. */
export function objectForm(schema: JsonObject, buttons: readonly Node[], onSubmit: () => void): ObjectForm {
  const body = element('div', { class: 'fields' })
  const actions = element('div', { class: 'actions' }, ...buttons)
  const shown = element('form', { class: 'form' }, body, actions)
  let content: Content
  const show = (next: Content): void => {
    content = next
    body.replaceChildren(...next.shown)
  }
  if (hasForm(schema)) {
    const fields = (initial: unknown): Content => {
      const kind = kindOfSchema(schema, schema, 0)
      return propertyFields(kind.kind === 'object' ? kind.properties : [], initial, { root: schema, depth: 0 })
    }
    show(fields(undefined))
    const change = (asJson: boolean): boolean => {
      if (!asJson && !shown.reportValidity()) return false
      const before = asJson ? readWithout(content) : content.read()
      show(asJson ? jsonContent(before) : fields(before))
      return true
    }
    if (body.hasChildNodes()) actions.append(modeToggle(change))
  } else show(jsonContent({}))
  shown.addEventListener('submit', (event) => {
    event.preventDefault()
    onSubmit()
  })
  shown.addEventListener('keydown', (event) => {
    if (!isSubmitKey(event)) return
    event.preventDefault()
    shown.requestSubmit()
  })
  return { shown, read: () => content.read() }
}

/** Enter in a text of one line, as in an input; Ctrl or Cmd and Enter anywhere. */
function isSubmitKey({ key, target, shiftKey, ctrlKey, metaKey, isComposing }: KeyboardEvent): boolean {
  if (key !== 'Enter' || isComposing) return false
  return ctrlKey || metaKey || (!shiftKey && target instanceof HTMLTextAreaElement && target.rows === 1)
}

/** What is filled in, as far as it can be read: fields may be invalid still. */
function readWithout(content: Content): JsonObject {
  try {
    return content.read()
  } catch {
    return {}
  }
}

function jsonContent(initial: JsonObject): Content {
  const id = freshId()
  const field = jsonField(id, true, initial)
  const label = element('label', { for: id }, 'Arguments as JSON')
  const input = field.shown as HTMLTextAreaElement
  input.addEventListener('input', () => {
    if (input.validity.valid && !isObject(field.read())) input.setCustomValidity('The arguments are an object: { … }')
  })
  return { shown: [element('div', { class: 'field' }, label, input)], read: () => field.read() as JsonObject }
}

/** `onChange` says whether the mode was changed. */
function modeToggle(onChange: (asJson: boolean) => boolean): HTMLElement {
  let isJson = false
  const toggle = button('Edit as JSON', { class: 'link' }, () => {
    if (!onChange(!isJson)) return
    isJson = !isJson
    toggle.textContent = isJson ? 'Back to the form' : 'Edit as JSON'
  })
  return toggle
}
