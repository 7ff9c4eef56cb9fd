/** Reads a JSON Schema for a form: what kind of field each part of it is. */
import { isObject, type JsonObject, member, nonEmptyText } from '../../util/json.ts'

/** A choice of a select or of check boxes. */
export interface Choice {
  readonly value: unknown
  readonly label: string
}

/** What a part of a schema is in a form. What has no field is written as JSON. */
export type Kind =
  | { readonly kind: 'choice'; readonly choices: readonly Choice[] }
  | { readonly kind: 'choices'; readonly choices: readonly Choice[] }
  | { readonly kind: 'boolean' | 'text' | 'json' }
  | { readonly kind: 'number'; readonly whole: boolean }
  | { readonly kind: 'list'; readonly items: JsonObject }
  | { readonly kind: 'object'; readonly properties: readonly Property[] }

export interface Property {
  readonly name: string
  readonly schema: JsonObject
  readonly required: boolean
}

/** The most fields of a form, and how deep they may be nested: beyond, JSON is quicker to write. */
const MAX_FIELDS = 60
const MAX_FORM_DEPTH = 3
const MAX_CHOICES = 500
const MAX_REFS = 10

/** Whether a form can be made of a tool's schema, or a question's. */
export function hasForm(root: JsonObject): boolean {
  const kind = kindOfSchema(root, root, 0)
  return kind.kind === 'object' && fieldCount(kind.properties, root, 0) <= MAX_FIELDS
}

function fieldCount(properties: readonly Property[], root: JsonObject, depth: number): number {
  let count = 0
  for (const { schema } of properties) {
    const kind = kindOfSchema(schema, root, depth + 1)
    count += kind.kind === 'object' ? 1 + fieldCount(kind.properties, root, depth + 1) : 1
    if (count > MAX_FIELDS) return count
  }
  return count
}

/** `schema` must be resolved. */
export function kindOfSchema(schema: JsonObject, root: JsonObject, depth: number): Kind {
  const choices = choicesOf(schema)
  if (choices) return choices.length > MAX_CHOICES ? { kind: 'json' } : { kind: 'choice', choices }
  if (['allOf', 'anyOf', 'oneOf', 'not', 'if'].some((key) => key in schema)) return { kind: 'json' }
  switch (jsonType(schema)) {
    case 'boolean':
    case 'string':
      return { kind: jsonType(schema) === 'boolean' ? 'boolean' : 'text' }
    case 'number':
    case 'integer':
      return { kind: 'number', whole: jsonType(schema) === 'integer' }
    case 'array':
      return listKind(schema, root, depth)
    case 'object':
      return objectKind(schema, root, depth)
    default:
      return { kind: 'json' }
  }
}

function listKind(schema: JsonObject, root: JsonObject, depth: number): Kind {
  const given = member(schema, 'items')
  const items = isObject(given) ? resolved(given, root) : undefined
  const choices = items && choicesOf(items)
  if (choices && choices.length <= MAX_FIELDS) return { kind: 'choices', choices }
  return items && depth < MAX_FORM_DEPTH && !Array.isArray(schema['prefixItems'])
    ? { kind: 'list', items }
    : { kind: 'json' }
}

function objectKind(schema: JsonObject, root: JsonObject, depth: number): Kind {
  const given = member(schema, 'properties')
  const isRoot = depth === 0
  if (!isObject(given) || depth >= MAX_FORM_DEPTH) return isRoot ? { kind: 'object', properties: [] } : { kind: 'json' }
  const required = member(schema, 'required')
  const names = new Set(Array.isArray(required) ? (required as unknown[]) : [])
  const properties = Object.entries(given).map(([name, property]) => {
    return { name, schema: resolved(property, root) ?? {}, required: names.has(name) }
  })
  return properties.length > 0 || isRoot ? { kind: 'object', properties } : { kind: 'json' }
}

/** The schema that a `$ref` within the same document leads to, without `null` as an alternative. */
export function resolved(schema: unknown, root: JsonObject): JsonObject | undefined {
  let found: unknown = schema
  for (let refs = 0; isObject(found) && refs < MAX_REFS; refs += 1) {
    const ref = member(found, '$ref')
    if (typeof ref === 'string') {
      if (!ref.startsWith('#')) return {}
      const { $ref: _, ...own } = found
      const target = pointed(ref, root)
      found = isObject(target) ? { ...target, ...own } : own
      continue
    }
    const only = withoutNull(found)
    if (only === found) return found
    found = only
  }
  return isObject(found) && !('$ref' in found) ? found : {}
}

/** Follows a JSON Pointer. (RFC 6901) */
function pointed(ref: string, root: JsonObject): unknown {
  let at: unknown = root
  for (const part of ref.slice(1).split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~')
    at = Array.isArray(at) ? (at as unknown[])[Number(key)] : member(at, key)
  }
  return at
}

/** A schema that also allows `null` is shown as if it did not: a field that is left empty is left out. */
function withoutNull(schema: JsonObject): JsonObject {
  for (const key of ['anyOf', 'oneOf']) {
    const { [key]: alternatives, ...own } = schema
    if (!Array.isArray(alternatives)) continue
    const others = (alternatives as unknown[]).filter((each) => member(each, 'type') !== 'null')
    if (others.length === 1 && alternatives.length > 1 && isObject(others[0])) return { ...others[0], ...own }
  }
  return schema
}

/** Whether `null` is a value that the schema allows, for a required field that is left empty. */
export function allowsNull(schema: JsonObject): boolean {
  const type = member(schema, 'type')
  return Array.isArray(type) && type.includes('null')
}

function jsonType(schema: JsonObject): unknown {
  const type = member(schema, 'type')
  if (!Array.isArray(type)) return type ?? (isObject(member(schema, 'properties')) ? 'object' : undefined)
  const others = type.filter((each) => each !== 'null')
  return others.length === 1 ? (others[0] as unknown) : undefined
}

/** `enum`, with or without `enumNames`, `const`, and alternatives that are titled constants. (SEP-1330) */
function choicesOf(schema: JsonObject): Choice[] | undefined {
  if ('const' in schema) return [choice(schema['const'])]
  const given = member(schema, 'enum')
  if (Array.isArray(given)) {
    const names = member(schema, 'enumNames')
    return given.map((value, index) => choice(value, Array.isArray(names) ? names[index] : undefined))
  }
  const alternatives = member(schema, 'oneOf') ?? member(schema, 'anyOf')
  if (!Array.isArray(alternatives) || !alternatives.every((each) => isObject(each) && 'const' in each)) return undefined
  return (alternatives as JsonObject[]).map((each) => choice(each['const'], nonEmptyText(each, 'title')))
}

function choice(value: unknown, label?: unknown): Choice {
  const plain = typeof value === 'string' ? value : JSON.stringify(value)
  return { value, label: typeof label === 'string' ? label : plain }
}
