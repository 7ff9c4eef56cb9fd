// Every type that stands in an exported signature has a name that an app can import.
import { readFileSync } from 'node:fs'
import { join, normalize } from 'node:path'
import { parseSync } from '@swc/core'

const ROOT = join(import.meta.dirname, '..')
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
const entries = Object.values<{ types?: string }>(manifest.exports).flatMap(({ types }) => types ?? [])

type SyntaxNode = Readonly<Record<string, unknown>>

/** What a file of declarations has: its own, its imports, and what it exports of other files. */
interface Declarations {
  readonly own: ReadonlyMap<string, SyntaxNode>
  /** The file and the name there, by the name here. */
  readonly foreign: ReadonlyMap<string, Place>
}

interface Place {
  readonly file: string
  readonly name: string
}

const files = new Map<string, Declarations>()

function declarationsOf(file: string): Declarations {
  const known = files.get(file)
  if (known) return known
  const source = readFileSync(join(ROOT, file), 'utf8')
  const { body } = parseSync(source, { syntax: 'typescript', target: 'es2022' }) as unknown as { body: SyntaxNode[] }
  const own = new Map<string, SyntaxNode>()
  const foreign = new Map<string, Place>()
  for (const node of body) {
    const declared = (node['declaration'] ?? node) as SyntaxNode
    for (const name of namesOf(declared)) own.set(name, declared)
    const from = valueOf(node['source'])
    if (from === undefined || !from.startsWith('.')) continue
    const target = normalize(join(file, '..', from)).replace(/\.(js|ts)$/, '.d.ts')
    for (const specifier of (node['specifiers'] ?? []) as SyntaxNode[]) {
      const [here, there] = specifierOf(specifier)
      foreign.set(here, { file: target, name: there })
    }
  }
  files.set(file, { own, foreign })
  return { own, foreign }
}

const valueOf = (node: unknown): string | undefined => (node as { value?: string } | null | undefined)?.value

function namesOf({ id, identifier, declarations }: SyntaxNode): string[] {
  if (declarations) return (declarations as SyntaxNode[]).flatMap((each) => valueOf(each['id']) ?? [])
  return [identifier, id].flatMap((each) => valueOf(each) ?? [])
}

/** The name in this file, and the one in the other. */
function specifierOf({ orig, exported, local, imported }: SyntaxNode): readonly [string, string] {
  if (orig) return [valueOf(exported) ?? valueOf(orig)!, valueOf(orig)!]
  return [valueOf(local)!, valueOf(imported) ?? valueOf(local)!]
}

/** Where a name is declared, through all files that hand it on; `undefined` for one of a package, or of the language. */
function declarationOf(file: string, name: string): Place | undefined {
  const { own, foreign } = declarationsOf(file)
  if (own.has(name)) return { file, name }
  const next = foreign.get(name)
  return next && declarationOf(next.file, next.name)
}

const keyOf = ({ file, name }: Place): string => `${file}: ${name}`

/** The names of types in a declaration, without those that it declares itself, such as type parameters. */
function typesIn(node: unknown, parameters: readonly string[] = []): string[] {
  if (Array.isArray(node)) return node.flatMap((each) => typesIn(each, parameters))
  if (typeof node !== 'object' || node === null) return []
  const { type, typeName, expression, ...rest } = node as SyntaxNode
  // Not for an app: `private` and `#private` members.
  if (type === 'PrivateProperty' || rest['accessibility'] === 'private') return []
  const declares = (rest['typeParams'] ?? rest['typeParameters']) as SyntaxNode | undefined
  const own = ((declares?.['parameters'] ?? []) as SyntaxNode[]).flatMap((each) => valueOf(each['name']) ?? [])
  const known = [...parameters, ...own]
  const named = type === 'TsTypeReference' ? valueOf(typeName) : valueOf(expression)
  return [
    ...(named === undefined || known.includes(named) ? [] : [named]),
    ...typesIn(Object.values({ ...rest, expression }), known),
  ]
}

test('each is exported by one of the paths of the package', () => {
  const exported = entries.flatMap((entry) =>
    [...declarationsOf(entry).foreign.keys()].map((name) => declarationOf(entry, name)!),
  )
  expect(exported.length).toBeGreaterThan(50)
  const importable = new Set(exported.map(keyOf))
  const missing = exported.flatMap((place) => {
    const node = declarationsOf(place.file).own.get(place.name)
    const used = [...new Set(typesIn(node))].flatMap((name) => declarationOf(place.file, name) ?? [])
    return used.filter((each) => !importable.has(keyOf(each))).map((each) => `${place.name} has ${keyOf(each)}`)
  })
  expect(missing).toEqual([])
})
