/** Determines which scopes a message needs, and checks that the principal has them. */
import { GatewayError } from '../../errors.ts'
import type { Message } from '../../exchange/message.ts'
import type { Principal, ScopeRules, ServerConfig } from '../../types.ts'
import { isObject, kindOf, member } from '../../util/json.ts'
import { compilePattern } from '../../util/pattern.ts'
import { alternatives, unknownKey } from '../../util/unknown-key.ts'
import { ruledBy } from './same-rights.ts'

/** A pattern, and the scopes that the matching methods or tools need. */
interface Rule {
  readonly matches: (name: string) => boolean
  readonly scopes: readonly string[]
}

interface Rules {
  readonly methods: readonly Rule[]
  readonly tools: readonly Rule[]
}

/** RFC 6749, appendix A.4. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+$/

const RULE_KEYS: Readonly<Record<keyof ScopeRules, true>> = { methods: true, tools: true }
const NONE: Rules = { methods: [], tools: [] }

const known = new WeakMap<ScopeRules, Rules>()

/** The compiled rules of a server; the same object is compiled once. Throws a TypeError for malformed ones. */
export function scopeRulesOf(server: string, { scopes: given }: ServerConfig): Rules {
  if (given === undefined) return NONE
  const before = isObject(given) ? known.get(given) : undefined
  if (before) return before
  const option = `Server ${JSON.stringify(server)}: "scopes`
  if (!isObject(given)) throw new TypeError(`${option}" must be an object with "methods" and "tools"`)
  const unknown = unknownKey(given, RULE_KEYS)
  if (unknown !== undefined) throw new TypeError(`${option}" has no "${unknown}"; ${alternatives(unknown, RULE_KEYS)}`)
  const { methods = {}, tools = {} } = given as ScopeRules
  const rules = { methods: compile(`${option}.methods"`, methods), tools: compile(`${option}.tools"`, tools) }
  known.set(given, rules)
  return rules
}

/** Throws a TypeError for a malformed scope, and for `offline_access`, which is no scope of a resource. (AU7) */
export function checkScopes(option: string, scopes: readonly string[]): readonly string[] {
  if (!Array.isArray(scopes)) throw new TypeError(`${option} must be an array of scopes`)
  for (const scope of scopes) {
    if (typeof scope !== 'string' || !SCOPE.test(scope)) {
      throw new TypeError(`${option} has ${JSON.stringify(scope)}, which is no scope`)
    }
    if (scope === 'offline_access') {
      throw new TypeError(
        `${option} may not have "offline_access": whether there are refresh tokens is no matter of a resource`,
      )
    }
  }
  return scopes
}

const NO_SCOPES: readonly string[] = []

/** The scopes of a principal. Throws a TypeError unless they are an array: `includes` of a string matches substrings. */
export function grantedScopes(principal: Principal | undefined): readonly string[] {
  const granted: unknown = principal?.scopes ?? NO_SCOPES
  if (Array.isArray(granted)) return granted
  throw new TypeError(`"authenticate" must answer "scopes" as an array of strings, not ${kindOf(granted)}`)
}

/** Throws `insufficient_scope`, with all the scopes in its challenge, when the principal lacks one. */
export function requireScopes(principal: Principal | undefined, scopes: readonly string[]): void {
  const granted = grantedScopes(principal)
  if (scopes.every((scope) => granted.includes(scope))) return
  throw new GatewayError('insufficient_scope', 'This takes a scope that was not granted', {
    challenge: { error: 'insufficient_scope', scopes },
  })
}

/** The scopes that a message, or all messages of a batch, need: `base`, and those of every matching rule. */
export function scopesOf({ methods, tools }: Rules, base: readonly string[], message: Message): string[] {
  const needed = new Set(base)
  const need = (rules: readonly Rule[], name: unknown): void => {
    for (const { matches, scopes } of rules) {
      // Names that are no strings, or hold a NUL, are invalid. A lenient server may accept them: they need all scopes.
      if (typeof name !== 'string' || name.includes('\0') || matches(name))
        for (const scope of scopes) needed.add(scope)
    }
  }
  for (const each of message.kind === 'batch' ? message.items : [message]) {
    if (!('method' in each)) continue
    for (const name of ruledBy(each.method, each.params)) need(methods, name)
    if (each.method === 'tools/call') need(tools, member(each.params, 'name'))
  }
  return [...needed]
}

function compile(option: string, given: Readonly<Record<string, readonly string[]>>): Rule[] {
  if (!isObject(given)) throw new TypeError(`${option} must map names to arrays of scopes`)
  return Object.entries(given).map(([name, scopes]) => ({
    matches: compilePattern(name),
    scopes: checkScopes(`${option} at ${JSON.stringify(name)}`, scopes),
  }))
}
