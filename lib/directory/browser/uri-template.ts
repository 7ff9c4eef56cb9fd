/** URI templates of resources: a form for their variables, and their expansion. (RFC 6570, levels 1 to 3) */
import { type JsonObject, member } from '../../util/json.ts'

const EXPRESSION = /\{([+#./;?&]?)([^{}]+)\}/g

/** What an operator puts before the first value, between values, and whether it names them. */
const OPERATORS: Readonly<Record<string, readonly [first: string, between: string, named: boolean]>> = {
  '': ['', ',', false],
  '+': ['', ',', false],
  '#': ['#', ',', false],
  '.': ['.', '.', false],
  '/': ['/', '/', false],
  ';': [';', ';', true],
  '?': ['?', '&', true],
  '&': ['&', '&', true],
}

/** A schema with a text for each variable; a URI that is no template has none. */
export function templateSchema(template: string): JsonObject {
  const names = [...template.matchAll(EXPRESSION)].flatMap(([, , variables]) => namesIn(variables!))
  const properties = Object.fromEntries(names.map((name) => [name, { type: 'string' }]))
  return { type: 'object', properties, required: names }
}

export function expandTemplate(template: string, values: JsonObject): string {
  return template.replace(EXPRESSION, (_, operator: string, variables: string) => {
    const [first, between, isNamed] = OPERATORS[operator]!
    const encode = operator === '+' || operator === '#' ? encodeURI : encodeURIComponent
    const parts = namesIn(variables).flatMap((name) => {
      const value = member(values, name)
      if (typeof value !== 'string') return []
      return isNamed ? `${name}=${encode(value)}` : encode(value)
    })
    return parts.length > 0 ? first + parts.join(between) : ''
  })
}

/** Without the modifiers of level 4. */
function namesIn(variables: string): string[] {
  return variables.split(',').map((variable) => variable.replace(/(?:\*|:\d+)$/, ''))
}
