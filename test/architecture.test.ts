// Holds the rules of the house: who may import whom, where foreign packages live, and that one name has one meaning.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, sep } from 'node:path'
import { parseSync } from '@swc/core'

/**
 * From the bottom up. A file imports from its own place and from the rows below, nothing else: what stands in one row
 * stays apart. `folder/` is a place with all that is in it, `folder/*` makes each file and folder in it a place.
 */
const ROWS: readonly (readonly string[])[] = [
  ['types/', 'protocol.ts'],
  ['types.ts'],
  ['errors.ts'],
  ['util/', 'contracts/', 'host/'],
  ['pages/', 'rpc-error.ts'],
  ['exchange/', 'stores/'],
  ['session/', 'upstream/'],
  ['inbound/', 'outbound/'],
  ['observe/'],
  ['layers/*', 'auth/', 'directory/', 'stdio/', 'opentelemetry/'],
  ['login/', 'connections/'],
  ['server-options.ts'],
  ['options.ts'],
  ['pipeline.ts'],
  ['access-host.ts'],
  ['running-gateway.ts'],
  ['gateway.ts'],
  ['testing.ts', 'index.ts'],
  ['cli/'],
]

/** What a gateway can do without: nothing imports these places but the files named here, so that each can be left out. */
const LOADED_BY: Readonly<Record<string, readonly string[]>> = {
  'stores/': ['options.ts', 'index.ts', 'login/', 'connections/'],
  'host/': ['index.ts'],
  'contracts/': ['testing.ts'],
  // What package.json exports.
  'auth/': ['login/authenticate.ts', 'login/options.ts', 'connections/'],
  // What the executable needs, beside package.json.
  'directory/': ['cli/check.ts', 'cli/serve.ts'],
  'stdio/': ['cli/servers.ts'],
  'cli/': [],
  'login/': [],
  'connections/': [],
  'opentelemetry/': [],
  'testing.ts': [],
  'index.ts': [],
}

/** Every foreign package that lib/ may import, and where: in folders or single files. */
const PACKAGES: Readonly<Record<string, string | readonly string[]>> = {
  jose: ['auth/', 'login/'],
  'oidc-provider': 'login/',
  oauth4webapi: ['auth/', 'connections/'],
  undici: ['upstream/', 'util/guarded-fetch.ts'],
  'eventsource-parser': 'exchange/sse.ts',
  negotiator: ['inbound/accept.ts', 'directory/negotiate.ts'],
  'cross-spawn': 'stdio/child-pipe.ts',
  'lru-cache': [
    'auth/verified-tokens.ts',
    'auth/introspected-tokens.ts',
    'login/client-documents.ts',
    'connections/memo.ts',
    'connections/connections.ts',
    'directory/coalescing-cache.ts',
  ],
  '@opentelemetry/api': 'opentelemetry/',
}

/**
 * The top-level names that several files declare: in how many, and why. The list is to become shorter. `copy` is one
 * thing written out again, `value` one role with another value in each file. Two meanings have two names.
 */
const TWINS: Readonly<Record<string, readonly [files: number, why: 'copy' | 'value', what: string]>> = {
  BYTE_ORDER_MARK: [2, 'copy', 'the character'],
  Head: [2, 'copy', 'status and headers, of a reply and of what becomes one'],
  isLineEnd: [2, 'copy', 'whether a byte ends a line'],
  LINE_END: [2, 'copy', 'the line ends of an event stream'],
  MAX_UPSTREAMS: [2, 'copy', 'how many upstreams are remembered'],
  positive: [2, 'copy', 'a number above 0 among the options of a store'],
  ANSWER_MS: [2, 'value', "how long an embedder's answer is waited for"],
  FAREWELL_MS: [3, 'value', 'how long closing may take'],
  faultOf: [2, 'value', 'the GatewayError for something thrown'],
  Headers: [5, 'value', 'names and values of headers: flat, by name, of one shape or another'],
  KNOWN: [2, 'value', 'the options there are'],
  known: [2, 'value', 'what has been checked before, by object'],
  MAX_BYTES: [5, 'value', 'what is read or kept at most'],
  NOTHING: [2, 'value', 'what is empty'],
  OPTIONS: [3, 'value', 'the options there are'],
  PAUSE_MS: [2, 'value', 'how long is waited before the next attempt'],
  principalOf: [2, 'value', 'the principal in an answer, or in claims'],
  read: [2, 'value', 'what an HTTP response says'],
  refusal: [2, 'value', 'the GatewayError for a refusal'],
  RENEW_MS: [2, 'value', 'when something is renewed'],
  Requirement: [3, 'value', 'a test of a contract'],
  REQUIREMENTS: [3, 'value', 'the tests of a contract'],
  RETRY_MS: [2, 'value', 'how long is waited before the next attempt'],
  SMALL_BYTES: [2, 'value', 'up to which length bytes are copied'],
  TAIL_BYTES: [2, 'value', 'how long the end of something is'],
}

const MAX_LINES = 250

interface Import {
  readonly specifier: string
  readonly typeOnly: boolean
}

interface Source {
  readonly file: string
  readonly text: string
  readonly imports: readonly Import[]
  /** What it declares at its top level. */
  readonly names: ReadonlySet<string>
}

const LIB = join(import.meta.dirname, '..', 'lib')
const sources = readdirSync(LIB, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.split(sep).join('/'))
  .toSorted()
  .map(read)

function read(file: string): Source {
  const text = readFileSync(join(LIB, file), 'utf8')
  const parsed = parse(text)
  return { file, text, imports: importsOf(parsed), names: new Set(parsed.body.flatMap(declaredBy)) }
}

function parse(text: string): { body: SyntaxNode[] } {
  return parseSync(text, { syntax: 'typescript', target: 'es2022' }) as unknown as { body: SyntaxNode[] }
}

type SyntaxNode = Readonly<Record<string, unknown>>

/** Static, dynamic and type imports and re-exports, wherever they stand. */
function importsOf(node: unknown): Import[] {
  if (Array.isArray(node)) return node.flatMap(importsOf)
  if (typeof node !== 'object' || node === null) return []
  const { type, source, callee, argument, typeOnly, arguments: given, ...rest } = node as SyntaxNode
  const inner = Object.values({ ...rest, source, callee, argument, given }).flatMap(importsOf)
  if (type === 'ImportDeclaration' || type === 'ExportNamedDeclaration' || type === 'ExportAllDeclaration') {
    const specifier = textOf(source)
    return specifier === undefined ? inner : [{ specifier, typeOnly: typeOnly === true }, ...inner]
  }
  if (type === 'CallExpression' && (callee as SyntaxNode)['type'] === 'Import') {
    const first = (given as { expression: unknown }[])[0]?.expression
    return [{ specifier: textOf(first) ?? '(computed)', typeOnly: false }, ...inner]
  }
  if (type === 'TsImportType') return [{ specifier: textOf(argument) ?? '(computed)', typeOnly: true }, ...inner]
  return inner
}

/** The functions, classes, types and values that a statement declares, exported or not. */
function declaredBy(node: SyntaxNode): string[] {
  const { type, declaration, declarations, identifier, id } = node
  if (type === 'ExportDeclaration') return declaredBy(declaration as SyntaxNode)
  if (type === 'VariableDeclaration') return (declarations as SyntaxNode[]).flatMap((each) => boundBy(each['id']))
  return [identifier, id].flatMap((each) => textOf(each) ?? [])
}

/** The names that a pattern binds. */
function boundBy(pattern: unknown): string[] {
  const { type, properties, elements, key, value, argument, left } = (pattern ?? {}) as SyntaxNode
  if (type === 'Identifier') return [value as string]
  if (type === 'AssignmentPatternProperty') return boundBy(key)
  const inner = [properties, elements].flatMap((list) => (list ?? []) as unknown[])
  return [...inner, type === 'KeyValuePatternProperty' ? value : undefined, argument, left].flatMap((each) =>
    each ? boundBy(each) : [],
  )
}

function textOf(node: unknown): string | undefined {
  return (node as { value?: string } | null | undefined)?.value
}

const isRelative = ({ specifier }: Import) => specifier.startsWith('.')
const isBuiltIn = ({ specifier }: Import) => specifier.startsWith('node:')
const packageOf = ({ specifier }: Import) => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')

function targetOf(file: string, { specifier }: Import): string {
  return normalize(join(dirname(file), specifier))
    .split(sep)
    .join('/')
}

const isWithin = (place: string, file: string) => (place.endsWith('/') ? file.startsWith(place) : file === place)

/** The place that a file belongs to, and how high it stands. */
function placeOf(file: string): { place: string; height: number } | undefined {
  for (const [height, row] of ROWS.entries()) {
    for (const listed of row) {
      const folder = listed.endsWith('/*') ? listed.slice(0, -1) : undefined
      if (folder !== undefined && isWithin(folder, file)) {
        return { place: folder + file.slice(folder.length).split('/', 1)[0], height }
      }
      if (isWithin(listed, file)) return { place: listed, height }
    }
  }
  return undefined
}

function mayImport(from: string, to: string): boolean {
  const [importer, imported] = [placeOf(from), placeOf(to)]
  if (importer === undefined || imported === undefined) return false
  if (importer.place === imported.place) return true
  return (
    imported.height < importer.height && (LOADED_BY[imported.place]?.some((place) => isWithin(place, from)) ?? true)
  )
}

/** Each import of each file that `isFault` objects to, as a line to read. */
function faults(isFault: (file: string, imported: Import) => boolean): string[] {
  return sources.flatMap(({ file, imports }) =>
    imports.filter((imported) => isFault(file, imported)).map(({ specifier }) => `lib/${file} imports ${specifier}`),
  )
}

test('there is a library to look at', () => {
  expect(sources.map(({ file }) => file)).toContain('index.ts')
  expect(sources.flatMap(({ imports }) => imports).length).toBeGreaterThan(sources.length)
})

test('every file has a place in the table of rows, and every place of the tables has a file', () => {
  const files = sources.map(({ file }) => file)
  expect(files.filter((file) => placeOf(file) === undefined)).toEqual([])
  const places = [...ROWS.flat(), ...Object.keys(LOADED_BY), ...Object.values(LOADED_BY).flat()]
  const isThere = (place: string) => files.some((file) => isWithin(place.replace(/\*$/, ''), file))
  expect([...places, ...Object.values(PACKAGES).flat()].filter((place) => !isThere(place))).toEqual([])
})

test('a file imports from its own place and from the rows below, and what can be left out from nowhere else', () => {
  expect(faults((file, imported) => isRelative(imported) && !mayImport(file, targetOf(file, imported)))).toEqual([])
})

test('every relative import names a file that exists, inside lib/', () => {
  const files = new Set(sources.map(({ file }) => file))
  expect(faults((file, imported) => isRelative(imported) && !files.has(targetOf(file, imported)))).toEqual([])
})

test('foreign packages are imported only where the table says', () => {
  const isForeign = (imported: Import) => !isRelative(imported) && !isBuiltIn(imported)
  expect(
    faults(
      (file, imported) =>
        isForeign(imported) && ![PACKAGES[packageOf(imported)] ?? []].flat().some((place) => isWithin(place, file)),
    ),
  ).toEqual([])
})

test('undici is imported by its file: Bun replaces the bare name by a module that has no dispatcher', () => {
  expect(faults((_file, { specifier, typeOnly }) => specifier === 'undici' && !typeOnly)).toEqual([])
})

test('every foreign package of the table is a dependency or a peer, and each of these is in the table', () => {
  const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(LIB, '..', 'package.json'), 'utf8'))
  expect(Object.keys({ ...dependencies, ...peerDependencies }).toSorted()).toEqual(Object.keys(PACKAGES).toSorted())
})

test('neither Express nor the MCP SDK is imported anywhere in lib/', () => {
  expect(
    faults((_file, { specifier }) => /^(express|@types\/express|@modelcontextprotocol)(\/|$)/.test(specifier)),
  ).toEqual([])
})

test('types.ts and types/ are types alone: nothing of them runs, and of node: they import types', () => {
  const isTypes = (file: string): boolean => file === 'types.ts' || isWithin('types/', file)
  expect(faults((file, imported) => isTypes(file) && !isRelative(imported) && !isBuiltIn(imported))).toEqual([])
  const statements = sources.filter(({ file }) => isTypes(file)).flatMap(({ text }) => parse(text).body)
  expect(statements.length).toBeGreaterThan(20)
  expect(statements.filter((statement) => !isOfTypes(statement))).toEqual([])
})

/** Whether a statement leaves nothing in the code that is built. */
function isOfTypes({ type, typeOnly, declaration }: SyntaxNode): boolean {
  if (type === 'ExportDeclaration') return isOfTypes(declaration as SyntaxNode)
  return typeOnly === true || type === 'TsInterfaceDeclaration' || type === 'TsTypeAliasDeclaration'
}

test('index.ts only exports, and by name', () => {
  const body = parse(sources.find(({ file }) => file === 'index.ts')?.text ?? '').body
  expect(body.filter(({ type, source }) => type !== 'ExportNamedDeclaration' || !source)).toEqual([])
})

test('every file opens with a comment that says its job', () => {
  expect(sources.filter(({ text }) => jobOf(text).split(' ').length < 3).map(({ file }) => file)).toEqual([])
})

/** The words of the comment that opens a file, empty when there is none. */
function jobOf(text: string): string {
  const [, line, block] = /^(?:#!.*\n)?(?:\/\/ *(.+)|\/\*\*?\s*(?:\n \*)? *(\S.+))/.exec(text) ?? []
  return line ?? block ?? ''
}

test(`no file is longer than ${MAX_LINES} lines, but for the contracts`, () => {
  const working = sources.filter(({ file }) => !file.startsWith('contracts/'))
  const long = working.map(({ file, text }) => ({ file, lines: text.trimEnd().split('\n').length }))
  expect(long.filter(({ lines }) => lines > MAX_LINES)).toEqual([])
})

/** A function literal that is assigned to a property, as in `this.onEnd = () => {}`. */
const ASSIGNED_FUNCTION = /^.*[\w\]]\.#?\w+ (?:\?\?)?= (?:async )?(?:\w+|\([^()]*\)(?:: [^=]+)?) =>.*$/gm

test('what runs for each call assigns no function literal to a property: V8 allocates it in the old generation, where it keeps the whole call until a full collection', () => {
  const perCall = sources.filter(({ file }) => /^(exchange|inbound|outbound|layers|session)\//.test(file))
  const found = perCall.flatMap(({ file, text }) =>
    (text.match(ASSIGNED_FUNCTION) ?? []).map((line) => `${file}: ${line.trim()}`),
  )
  expect(found).toEqual([])
  expect('this.#onEnd = (end: End) => end.how'.match(ASSIGNED_FUNCTION)).toHaveLength(1)
})

test('no two files declare the same top-level name, but for the twins of the table, which are all still there', () => {
  const filesOf = new Map<string, string[]>()
  for (const { file, names } of sources) {
    for (const name of names) filesOf.set(name, [...(filesOf.get(name) ?? []), file])
  }
  expect(filesOf.get('mcpGateway')).toEqual(['gateway.ts'])
  const twins = [...filesOf].filter(([, files]) => files.length > 1)
  const isListed = ([name, files]: [string, string[]]) => TWINS[name]?.[0] === files.length
  expect(twins.filter((twin) => !isListed(twin)).map(([name, files]) => `${name}: ${files.join(', ')}`)).toEqual([])
  expect(Object.keys(TWINS).filter((name) => (filesOf.get(name)?.length ?? 0) < 2)).toEqual([])
})

/** Where tests stand that mirror no file of lib/: what they look at is more than one part. */
const BESIDE_LIB: Readonly<Record<string, string>> = {
  '': 'the package, and a whole gateway',
  'conformance/': 'the public conformance suite',
  'faults/': 'faults that were met, each at a whole gateway or at whichever part had it',
  'fuzz/': 'properties of a whole gateway, at random',
  'modern/': 'revision 2026-07-28 at a whole gateway',
  'streams/': 'what breaks, waits or is withdrawn while something goes on at a whole gateway',
}

/** Folders of lib/ that are tested from elsewhere. */
const TESTED_FROM: Readonly<Record<string, string>> = {
  'contracts/': 'testing.test.ts',
  'types/': 'types/',
}

const TEST = join(LIB, '..', 'test')
const inTest = readdirSync(TEST, { recursive: true, encoding: 'utf8' }).map((file) => file.split(sep).join('/'))
const tests = inTest.filter((file) => file.endsWith('.test.ts') && !file.includes('node_modules'))
const folderOf = (file: string): string => file.slice(0, file.lastIndexOf('/') + 1)

test('tests stand where lib/ has what they test, or in a folder whose line above says why not', () => {
  const folders = new Set(sources.map(({ file }) => folderOf(file)))
  const strays = tests.map(folderOf).filter((folder) => !folders.has(folder) || folder === '')
  expect([...new Set(strays)].toSorted()).toEqual(Object.keys(BESIDE_LIB).toSorted())
  const isTested = (folder: string): boolean => tests.some((file) => folderOf(file) === folder)
  expect([...folders].filter((folder) => !isTested(folder)).toSorted()).toEqual(Object.keys(TESTED_FROM).toSorted())
  expect(Object.values(TESTED_FROM).filter((place) => !inTest.some((file) => isWithin(place, file)))).toEqual([])
})

test('a test that is not named after a file of lib/ says in its first line what it tests', () => {
  const names = new Set(sources.map(({ file }) => file.replace(/\.ts$/, '')))
  const others = tests.filter((file) => !names.has(file.replace(/\.test\.ts$/, '')))
  expect(others.length).toBeLessThan(tests.length / 2)
  const firstLine = (file: string): string => readFileSync(join(TEST, file), 'utf8').split('\n', 1)[0]!
  expect(others.filter((file) => !/^\/\/ \S+(?: \S+){4,}/.test(firstLine(file)))).toEqual([])
})
