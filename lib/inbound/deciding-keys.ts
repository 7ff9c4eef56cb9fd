/** The keys that decide how a message is treated, and which other keys a lenient parser mistakes for them. */
import { META } from '../protocol.ts'

/** The non-ASCII letters that fold to an ASCII one: to s and k in Unicode, to i in some languages. */
const FOLDING = /[\u017f\u212a\u0130\u0131]/g
const FOLDED: Readonly<Record<string, string>> = { '\u017f': 's', '\u212a': 'k', '\u0130': 'i', '\u0131': 'i' }

/** Matches keys that folding leaves unchanged, as nearly all are: the test is cheaper than folding. */
const FOLDED_ALREADY = /^[a-z0-9_/.-]*$/

/** A key as parsers read it that ignore case or stop at a NUL. (the class of CVE-2026-27896) */
function fold(key: string): string {
  if (FOLDED_ALREADY.test(key)) return key
  const end = key.indexOf('\0')
  const read = end === -1 ? key : key.slice(0, end)
  return read.replace(FOLDING, (letter) => FOLDED[letter]!).toLowerCase()
}

/** The deciding keys of an object, and of the objects nested in it. */
export class Level {
  readonly keys: ReadonlySet<string>
  readonly below: ReadonlyMap<string, Level>
  readonly #folded: ReadonlySet<string>

  constructor(keys: readonly string[], below: readonly (readonly [key: string, level: Level])[] = []) {
    this.keys = new Set(keys)
    this.below = new Map(below)
    this.#folded = new Set(keys.map(fold))
  }

  /** Whether a lenient parser mistakes the key for a deciding one. */
  isConfusable(key: string): boolean {
    return !this.keys.has(key) && this.#folded.has(fold(key))
  }
}

const META_LEVEL = new Level([
  ...Object.values(META),
  'io.modelcontextprotocol/logLevel',
  'io.modelcontextprotocol/related-task',
  'progressToken',
])

/** The parameters that scope rules, standard headers, the cache, sessions or an embedder's code depend on. */
const PARAMS_LEVEL = new Level(
  [
    'name',
    'uri',
    'taskId',
    'arguments',
    '_meta',
    'ref',
    'argument',
    'context',
    'task',
    'cursor',
    'level',
    'requestId',
    'progressToken',
    'protocolVersion',
    'capabilities',
    'clientInfo',
    'notifications',
    'inputResponses',
    'requestState',
  ],
  [
    ['_meta', META_LEVEL],
    ['ref', new Level(['type', 'name', 'uri'])],
    ['notifications', new Level(['resourceSubscriptions'])],
  ],
)

export const MESSAGE_LEVEL: Level = new Level(
  ['jsonrpc', 'id', 'method', 'params', 'result', 'error'],
  [['params', PARAMS_LEVEL]],
)
