// Holds the rules of the house: who may import whom, where foreign packages live, and that the map stays true.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, sep } from 'node:path'
import { parseSync } from '@swc/core'

/** From the bottom up. A file imports from its own folder and from the layers below its own, nothing else. */
const LAYERS: readonly (readonly string[])[] = [
  ['types.ts'],
  ['protocol.ts'],
  ['awaitable.ts', 'errors.ts', 'in-time.ts', 'json.ts', 'slots.ts'],
  ['expiry.ts', 'redis.ts'],
  ['sse/'],
  ['exchange.ts', 'visit.ts'],
  ['inside.ts'],
  ['inbound/', 'session/', 'upstream/', 'outbound/', 'cache/', 'events/', 'auth/'],
  ['contracts/'],
  ['testing.ts'],
  // A directory may use the rooms, as the gateway does, but of the gateway it sees inside.ts alone: it stands beside
  // the gateway's own parts, and so it can be left out.
  ['options.ts', 'directory/'],
  ['hooks.ts', 'notices.ts', 'running.ts'],
  ['enquiries.ts', 'openings.ts', 'rechecks.ts', 'recovery.ts'],
  ['carrier.ts'],
  ['conversations.ts'],
  ['gateway.ts'],
  ['create-server.ts'],
  ['index.ts'],
]

/** Every foreign package that lib/ may import, and where: a folder or one file. */
const PACKAGES: Readonly<Record<string, string>> = {
  jose: 'auth/',
  oauth4webapi: 'auth/',
  undici: 'upstream/',
  'eventsource-parser': 'sse/event-stream.ts',
}

/** What package.json exports. Nothing in lib/ imports these. */
const ENTRIES: ReadonlySet<string> = new Set(['index.ts', 'testing.ts'])

const MAX_LINES = 250

interface Import {
  readonly specifier: string
  readonly typeOnly: boolean
}

interface Source {
  readonly file: string
  readonly text: string
  readonly imports: readonly Import[]
}

const LIB = join(import.meta.dirname, '..', 'lib')
const sources = readdirSync(LIB, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.split(sep).join('/'))
  .toSorted()
  .map(read)

function read(file: string): Source {
  const text = readFileSync(join(LIB, file), 'utf8')
  return { file, text, imports: importsOf(parse(text)) }
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

/** The place of the table that a file belongs to, and how high it stands. */
function placeOf(file: string): { place: string; height: number } | undefined {
  for (const [height, layer] of LAYERS.entries()) {
    const place = layer.find((candidate) => isWithin(candidate, file))
    if (place !== undefined) return { place, height }
  }
  return undefined
}

function mayImport(from: string, to: string): boolean {
  const [importer, imported] = [placeOf(from), placeOf(to)]
  if (importer === undefined || imported === undefined || ENTRIES.has(to)) return false
  return importer.place === imported.place || imported.height < importer.height
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

test('every file has a place in the table of layers', () => {
  expect(sources.map(({ file }) => file).filter((file) => placeOf(file) === undefined)).toEqual([])
})

test('a file imports from its own folder and from the layers below, and no folder imports another', () => {
  expect(faults((file, imported) => isRelative(imported) && !mayImport(file, targetOf(file, imported)))).toEqual([])
})

test('every relative import names a file that exists, inside lib/', () => {
  const files = new Set(sources.map(({ file }) => file))
  expect(faults((file, imported) => isRelative(imported) && !files.has(targetOf(file, imported)))).toEqual([])
})

test('foreign packages are imported only where the table says', () => {
  const isForeign = (imported: Import) => !isRelative(imported) && !isBuiltIn(imported)
  expect(
    faults((file, imported) => isForeign(imported) && !isWithin(PACKAGES[packageOf(imported)] ?? 'nowhere', file)),
  ).toEqual([])
})

test('every foreign package of the table is a dependency, and every dependency is in the table', () => {
  const { dependencies } = JSON.parse(readFileSync(join(LIB, '..', 'package.json'), 'utf8'))
  expect(Object.keys(dependencies).toSorted()).toEqual(Object.keys(PACKAGES).toSorted())
})

test('neither Express nor the MCP SDK is imported anywhere in lib/', () => {
  expect(
    faults((_file, { specifier }) => /^(express|@types\/express|@modelcontextprotocol)(\/|$)/.test(specifier)),
  ).toEqual([])
})

test('types.ts imports nothing but the types of node:', () => {
  const own = sources.find(({ file }) => file === 'types.ts')?.imports
  expect(own?.filter((imported) => !isBuiltIn(imported) || !imported.typeOnly)).toEqual([])
})

test('index.ts only exports, and by name', () => {
  const body = parse(sources.find(({ file }) => file === 'index.ts')?.text ?? '').body
  expect(body.filter(({ type, source }) => type !== 'ExportNamedDeclaration' || !source)).toEqual([])
})

test('every file opens with a comment that says its job', () => {
  expect(sources.filter(({ text }) => jobOf(text).split(' ').length < 3).map(({ file }) => file)).toEqual([])
})

/** The words of the comment that opens a file, empty when there is none. */
function jobOf(text: string): string {
  const [, line, block] = /^(?:\/\/ *(.+)|\/\*\*?\s*(?:\n \*)? *(\S.+))/.exec(text) ?? []
  return line ?? block ?? ''
}

test(`no file is longer than ${MAX_LINES} lines, but for the contracts`, () => {
  const working = sources.filter(({ file }) => file !== 'types.ts' && !file.startsWith('contracts/'))
  const long = working.map(({ file, text }) => ({ file, lines: text.trimEnd().split('\n').length }))
  expect(long.filter(({ lines }) => lines > MAX_LINES)).toEqual([])
})

test('the map that opens index.ts names every file of lib/, and none that is gone', () => {
  const files = sources.map(({ file }) => file).filter((file) => file !== 'index.ts')
  const map = openingCommentOf(sources.find(({ file }) => file === 'index.ts')?.text ?? '')
  const tree = treeOf(map)
  const isNamed = (file: string) => tree.includes(file) || (!file.includes('/') && map.join(' ').includes(` ${file}`))
  expect(files.filter((file) => !isNamed(file))).toEqual([])
  expect(tree.filter((file) => !files.includes(file) && file !== 'index.ts')).toEqual([])
})

/** The files at the start of the lines of a map; those of a folder are indented below it. */
function treeOf(map: readonly string[]): string[] {
  const files: string[] = []
  let folder = { name: '', indent: Infinity }
  for (const line of map) {
    const indent = line.search(/\S/)
    if (indent <= folder.indent) folder = { name: '', indent: Infinity }
    const opened = /^\s*([\w-]+\/)(?=\s|$)/.exec(line)?.[1]
    if (opened !== undefined && opened !== 'lib/') folder = { name: opened, indent }
    const named = /^\s*((?:[\w-]+\.ts(?:,\s*|\s+|$))+)/.exec(line)?.[1] ?? ''
    for (const file of named.match(/[\w-]+\.ts/g) ?? []) files.push(folder.name + file)
  }
  return files
}

function openingCommentOf(text: string): string[] {
  const comment = /^(?:\/\/.*\n|\/\*[\s\S]*?\*\/\n)+/.exec(text)?.[0] ?? ''
  return comment.split('\n').map((line) => line.replace(/^(?:\/\/|\/\*\*?| \*\/?)/, ''))
}
