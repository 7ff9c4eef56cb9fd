/** Makes the fields of a form: an element each, and the value that a person gave it. */
import { isObject, type JsonObject, member, nonEmptyText } from '../../util/json.ts'
import { button, element, freshId } from './elements.ts'
import { jsonField } from './json-field.ts'
import { allowsNull, type Choice, kindOfSchema, type Property } from './schema.ts'
import { numberField, textField } from './text-fields.ts'

/** A part of a form. */
export interface Field {
  readonly shown: HTMLElement
  /** The value; `undefined` if it is left out. Called when the browser finds the form valid. */
  readonly read: () => unknown
}

/** What a field is made of. */
export interface FieldParts {
  readonly name: string
  readonly schema: JsonObject
  readonly required: boolean
  /** The value to begin with, besides the schema's `default`. */
  readonly initial: unknown
  readonly root: JsonObject
  readonly depth: number
}

/** The most entries of a list that are shown to begin with. */
const MAX_ENTRIES = 50

/** The fields of an object's properties, and the object that they make. */
export interface ObjectFields {
  readonly shown: readonly HTMLElement[]
  readonly read: () => JsonObject
}

/** Properties that are left out are no members of the object. */
export function propertyFields(
  properties: readonly Property[],
  initial: unknown,
  at: Pick<FieldParts, 'root' | 'depth'>,
): ObjectFields {
  const fields = properties.map((property) => {
    const value = member(initial, property.name)
    return [property.name, field({ ...property, initial: value, root: at.root, depth: at.depth + 1 })] as const
  })
  return {
    shown: fields.map(([, { shown }]) => shown),
    read() {
      const values = fields.map(([name, { read }]) => [name, read()] as const)
      return Object.fromEntries(values.filter(([, value]) => value !== undefined))
    },
  }
}

function field(parts: FieldParts): Field {
  const { schema, root, depth } = parts
  const kind = kindOfSchema(schema, root, depth)
  const given = { ...parts, initial: parts.initial ?? schema['default'] }
  switch (kind.kind) {
    case 'choice':
      return choiceField(given, kind.choices)
    case 'choices':
      return choicesField(given, kind.choices)
    case 'boolean':
      return booleanField(given)
    case 'number':
      return labelled(given, (id) => numberField(given, id, kind.whole))
    case 'text':
      return labelled(given, (id) => textField(given, id))
    case 'list':
      return listField(given, kind.items)
    case 'object':
      return objectField(given, kind.properties)
    case 'json':
      return labelled(given, (id) => jsonField(id, parts.required, given.initial))
  }
}

/** A label, the control below it, and what the schema says about it. */
function labelled(parts: FieldParts, control: (id: string) => Field): Field {
  const id = freshId()
  const { shown, read } = control(id)
  const label = element('div', { class: 'label' }, element('label', { for: id }, nameNode(parts)), requiredMark(parts))
  const hint = hintOf(parts, id)
  if (hint) shown.setAttribute('aria-describedby', hint.id)
  const { required, schema } = parts
  const value = (): unknown => read() ?? (required && allowsNull(schema) ? null : undefined)
  return { shown: element('div', { class: 'field' }, label, hint, shown), read: value }
}

function nameNode({ name, schema }: FieldParts): HTMLElement {
  const title = nonEmptyText(schema, 'title')
  return title === undefined || title === name ? element('code', {}, name) : element('span', {}, title)
}

/** For the eye alone: a screen reader says it of the control. */
function requiredMark({ required }: FieldParts): HTMLElement | undefined {
  return required ? element('span', { class: 'mark', 'aria-hidden': 'true' }, 'required') : undefined
}

function hintOf({ schema }: FieldParts, id: string): HTMLElement | undefined {
  const description = nonEmptyText(schema, 'description')
  return description === undefined ? undefined : element('p', { class: 'hint', id: `${id}-hint` }, description)
}

const ABSENT = ''

/** A select; the first option of one that may be left out is empty. */
function choiceField(parts: FieldParts, choices: readonly Choice[]): Field {
  return labelled(parts, (id) => {
    const { required, initial } = parts
    const before = choices.findIndex(({ value }) => isSameChoice(value, initial))
    const options = choices.map(({ label }, index) =>
      element('option', { value: index, selected: index === before }, label),
    )
    const none = element('option', { value: ABSENT, selected: before === -1 }, required ? 'Choose …' : '–')
    const shown = element('select', { id, required }, none, ...options)
    return { shown, read: () => (shown.value === ABSENT ? undefined : choices[Number(shown.value)]!.value) }
  })
}

/** One that is required, or has a default, is a check box; any other may also be left out. */
function booleanField(parts: FieldParts): Field {
  const { required, initial } = parts
  if (!required && typeof initial !== 'boolean') {
    const choices = [true, false].map((value) => ({ value, label: value ? 'yes' : 'no' }))
    return choiceField(parts, choices)
  }
  const id = freshId()
  const box = element('input', { type: 'checkbox', id, checked: initial === true })
  const hint = hintOf(parts, id)
  if (hint) box.setAttribute('aria-describedby', hint.id)
  const label = element('label', { for: id, class: 'check' }, box, nameNode(parts))
  return { shown: element('div', { class: 'field' }, label, hint), read: () => box.checked }
}

/** Check boxes, for any number of choices. */
function choicesField(parts: FieldParts, choices: readonly Choice[]): Field {
  const { required, schema, initial } = parts
  const before = Array.isArray(initial) ? (initial as unknown[]) : []
  const boxes = choices.map(({ value }) => {
    const checked = before.some((each) => isSameChoice(each, value))
    return element('input', { type: 'checkbox', checked })
  })
  const rows = boxes.map((box, index) => element('label', { class: 'check' }, box, choices[index]!.label))
  const [least, most] = [numberIn(schema, 'minItems') ?? 0, numberIn(schema, 'maxItems') ?? Infinity]
  const check = (): void => {
    const count = boxes.filter(({ checked }) => checked).length
    const isOpen = count === 0 && !required
    const fault = count > most ? `Choose at most ${most}` : count < least && !isOpen ? `Choose at least ${least}` : ''
    boxes[0]?.setCustomValidity(fault)
  }
  const shown = group(parts, rows)
  shown.addEventListener('change', check)
  check()
  return {
    shown,
    read() {
      const chosen = choices.filter((_, index) => boxes[index]!.checked).map(({ value }) => value)
      return chosen.length > 0 || required ? chosen : undefined
    },
  }
}

/** Entries that can be added and removed. */
function listField(parts: FieldParts, items: JsonObject): Field {
  const { required, initial, root, depth, schema } = parts
  const entries = new Set<Field>()
  const rows = element('div', { class: 'entries' })
  const add = (value?: unknown): HTMLElement => {
    const name = `${parts.name} ${entries.size + 1}`
    const entry = field({ name, schema: items, required: true, initial: value, root, depth: depth + 1 })
    const remove = button('Remove', { class: 'small', 'aria-label': `Remove ${name}` }, () => {
      entries.delete(entry)
      row.remove()
      more.focus()
    })
    const row = element('div', { class: 'entry' }, entry.shown, remove)
    entries.add(entry)
    rows.append(row)
    return row
  }
  const more = button('Add', { class: 'small', 'aria-label': `Add to ${parts.name}` }, () => {
    add().querySelector<HTMLElement>('input, select, textarea')?.focus()
  })
  const least = required ? (numberIn(schema, 'minItems') ?? 0) : 0
  const before = Array.isArray(initial) ? (initial as unknown[]) : Array.from({ length: least })
  for (const value of before.slice(0, MAX_ENTRIES)) add(value)
  return {
    shown: group(parts, [rows, more]),
    read: () => (entries.size > 0 || required ? Array.from(entries, ({ read }) => read()) : undefined),
  }
}

/** One that is not required is left out while all of it is. */
function objectField(parts: FieldParts, properties: readonly Property[]): Field {
  const { required, initial } = parts
  // What is required within an object that may be left out is required by the server alone.
  const inner = required ? properties : properties.map((property) => ({ ...property, required: false }))
  const { shown, read } = propertyFields(inner, initial, parts)
  return {
    shown: group(parts, shown),
    read() {
      const value = read()
      return required || Object.keys(value).length > 0 ? value : undefined
    },
  }
}

function group(parts: FieldParts, children: readonly Node[]): HTMLFieldSetElement {
  const id = freshId()
  const hint = hintOf(parts, id)
  const legend = element('legend', {}, nameNode(parts), requiredMark(parts))
  return element('fieldset', { class: 'field', 'aria-describedby': hint?.id }, legend, hint, ...children)
}

function numberIn(schema: JsonObject, key: string): number | undefined {
  const value = member(schema, key)
  return typeof value === 'number' ? value : undefined
}

function isSameChoice(one: unknown, other: unknown): boolean {
  return one === other || (isObject(one) && JSON.stringify(one) === JSON.stringify(other))
}
