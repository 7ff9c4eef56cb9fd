// @ts-check
// The operations of an OpenAPI document: each as a tool's name and schema, and as the request that a call of it makes.
import { createHash } from 'node:crypto'
import { dereference } from '@readme/openapi-parser'

/**
 * @typedef {Record<string, any>} Json
 * @typedef {{ name: string, description: string, tags: string[], inputSchema: Json, requestOf(args: Json): InjectRequest }} Operation
 * @typedef {import('light-my-request').InjectOptions & { headers: Record<string, string> }} InjectRequest
 * @typedef {{ key: string, name: string, in: string, required?: boolean, style?: string, explode?: boolean, schema?: Json, description?: string }} Parameter
 */

const METHODS = /** @type {const} */ (['get', 'put', 'post', 'delete', 'patch'])
const SEPARATORS = /** @type {Record<string, string>} */ ({ spaceDelimited: ' ', pipeDelimited: '|' })

/** @param {Json} openapi @returns {Promise<Operation[]>} */
export async function operationsOf(openapi) {
  // A schema that is part of itself stays a `$ref`.
  const document = /** @type {Json} */ (
    await dereference(/** @type {any} */ (structuredClone(openapi)), { dereference: { circular: 'ignore' } })
  )
  const base = new URL(document['servers']?.[0]?.url ?? '/', 'http://app').pathname.replace(/\/$/, '')
  const taken = new Set()
  return Object.entries(/** @type {Record<string, Json>} */ (document['paths'])).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => {
      const operation = item[method]
      const name = toolName(operation.operationId ?? `${method}_${path}`, taken)
      return operationOf({ name, method, path: base + path, document, item, operation })
    }),
  )
}

/** 64 letters that every client takes, each name once. @param {string} wanted @param {Set<string>} taken */
function toolName(wanted, taken) {
  const clean = wanted.replaceAll(/[^\w-]+/g, '_')
  const hash = createHash('sha256').update(wanted).digest('hex').slice(0, 8)
  const name = clean.length > 64 || taken.has(clean) ? `${clean.slice(0, 55)}_${hash}` : clean
  if (taken.has(name)) throw new Error(`Two operations are called ${wanted}`)
  taken.add(name)
  return name
}

/** @param {{ name: string, method: typeof METHODS[number], path: string, document: Json, item: Json, operation: Json }} parts @returns {Operation} */
function operationOf({ name, method, path, document, item, operation }) {
  const parameters = parametersOf(item, operation)
  const body = operation['requestBody']?.content?.['application/json']?.schema
  const properties = Object.fromEntries(
    parameters.map(({ key, schema, description }) => [key, { description, ...schema }]),
  )
  const required = parameters.filter((each) => each.required).map(({ key }) => key)
  if (body) properties['body'] = body
  if (body && operation['requestBody'].required) required.push('body')
  const schema = {
    type: 'object',
    properties,
    required,
    additionalProperties: false,
    $defs: document['components']?.schemas,
  }
  const inputSchema = JSON.parse(JSON.stringify(schema).replaceAll('"#/components/schemas/', '"#/$defs/'))
  if (!JSON.stringify(properties).includes('"#/components/')) delete inputSchema.$defs
  return {
    name,
    description: operation['summary'] ?? operation['description'] ?? `${method.toUpperCase()} ${path}`,
    tags: operation['tags'] ?? [],
    inputSchema,
    requestOf: (args) => requestOf(method, path, parameters, args),
  }
}

/** What an operation says counts before what its path says; one name in two places is told apart by the place. @param {Json} item @param {Json} operation @returns {Parameter[]} */
function parametersOf(item, operation) {
  const all = [...(item['parameters'] ?? []), ...(operation['parameters'] ?? [])].filter((each) => each.in !== 'cookie')
  const found = [...new Map(all.map((each) => [`${each.in} ${each.name}`, each])).values()]
  const isTaken = (/** @type {Json} */ each) =>
    each['name'] === 'body' || found.some((other) => other !== each && other.name === each['name'])
  return found.map((each) => Object.assign({}, each, { key: isTaken(each) ? `${each.in}_${each.name}` : each.name }))
}

/** @param {typeof METHODS[number]} method @param {string} path @param {Parameter[]} parameters @param {Json} args @returns {InjectRequest} */
function requestOf(method, path, parameters, args) {
  const query = new URLSearchParams()
  /** @type {Record<string, string>} */
  const headers = {}
  let url = path
  for (const parameter of parameters) {
    const value = args[parameter.key]
    if (value === undefined) continue
    if (parameter.in === 'path') url = url.replaceAll(`{${parameter.name}}`, () => segmentOf(value))
    else if (parameter.in === 'header') headers[parameter.name] = String(value)
    else for (const [key, text] of queryOf(parameter, value)) query.append(key, String(text))
  }
  return { method, url: query.size > 0 ? `${url}?${query.toString()}` : url, headers, payload: args['body'] }
}

/** Of a path no more than one segment can be said. @param {unknown} value */
function segmentOf(value) {
  const text = encodeURIComponent(String(value))
  if (/^\.{0,2}$/.test(text)) throw new Error(`${JSON.stringify(value)} is no part of a path`)
  return text
}

/** @param {Parameter} parameter @param {any} value @returns {[string, unknown][]} */
function queryOf({ name, style = 'form', explode = style === 'form' }, value) {
  if (style === 'deepObject') return Object.entries(value).map(([key, each]) => [`${name}[${key}]`, each])
  if (Array.isArray(value)) {
    return explode ? value.map((each) => [name, each]) : [[name, value.join(SEPARATORS[style] ?? ',')]]
  }
  if (typeof value !== 'object') return [[name, value]]
  return explode ? Object.entries(value) : [[name, Object.entries(value).flat().join(',')]]
}
