/** Fields for texts and numbers, with the constraints that HTML has for what the schema says. */
import { type JsonObject, member, nonEmptyText } from '../../util/json.ts'
import { element } from './elements.ts'
import type { Field, FieldParts } from './fields.ts'

/** The kinds of input that browsers have for formats of JSON Schema. */
const INPUT_OF_FORMAT: ReadonlyMap<unknown, string> = new Map([
  ['email', 'email'],
  ['uri', 'url'],
  ['date', 'date'],
  ['date-time', 'datetime-local'],
])

/** From which length on a text gets several lines. */
const LONG_TEXT = 200

type Text = Pick<FieldParts, 'schema' | 'required' | 'initial'>

export function textField({ schema, required, initial }: Text, id: string): Field {
  const [minlength, maxlength] = [lengthIn(schema, 'minLength'), lengthIn(schema, 'maxLength')]
  const value = typeof initial === 'string' ? initial : ''
  const constraints = { id, required: required && minlength !== 0, minlength, maxlength, autocomplete: 'off' }
  const type = INPUT_OF_FORMAT.get(member(schema, 'format')) ?? 'text'
  const pattern = patternOf(schema)
  // An input would drop the line ends of what is pasted into it.
  const isLine = type !== 'text' || pattern !== undefined || (maxlength ?? Infinity) <= LONG_TEXT
  const shown = isLine
    ? element('input', { ...constraints, type, pattern })
    : element('textarea', { ...constraints, rows: value.includes('\n') ? 4 : 1 })
  shown.value = type === 'datetime-local' ? localTime(value) : value
  return {
    shown,
    read() {
      if (shown.value === '') return required ? '' : undefined
      return type === 'datetime-local' ? new Date(shown.value).toISOString() : shown.value
    },
  }
}

const DIGITS = /^-?\d+$/

/** Whole numbers that JavaScript cannot tell from their neighbours are refused, rather than sent as another number. */
export function numberField({ schema, required, initial }: Text, id: string, whole: boolean): Field {
  const [min, max] = [member(schema, 'minimum'), member(schema, 'maximum')].map((limit) =>
    typeof limit === 'number' ? limit : undefined,
  )
  const value = typeof initial === 'number' ? initial : undefined
  const step = whole ? 1 : 'any'
  const shown = element('input', { id, type: 'number', required, min, max, step, value, autocomplete: 'off' })
  shown.addEventListener('input', () => {
    const isInteger = whole ? shown.value !== '' : DIGITS.test(shown.value)
    const isExact = !isInteger || Number.isSafeInteger(Number(shown.value))
    shown.setCustomValidity(isExact ? '' : 'Too large for a number here: it would be rounded')
  })
  return { shown, read: () => (shown.value === '' ? undefined : Number(shown.value)) }
}

function lengthIn(schema: JsonObject, key: string): number | undefined {
  const value = member(schema, key)
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
}

/** A group that is repeated may take exponential time, so the server alone checks such a pattern. */
const MAY_BE_SLOW = /\)[*+{]/

/** `pattern` of HTML is anchored, that of JSON Schema is not. */
function patternOf(schema: JsonObject): string | undefined {
  const pattern = nonEmptyText(schema, 'pattern')
  if (pattern === undefined || MAY_BE_SLOW.test(pattern)) return undefined
  try {
    void new RegExp(`^(?:.*(?:${pattern}).*)$`, 'v')
    return `.*(?:${pattern}).*`
  } catch {
    return undefined
  }
}

/** The value of an input for a date with a time: local, without a zone. */
function localTime(value: string): string {
  const at = new Date(value)
  if (Number.isNaN(at.getTime())) return ''
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
}
