// What an import of each exported path loads, as Node loads the build: an app pays for what it imports, and no more.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const ROOT = join(import.meta.dirname, '..')
const BUILD = pathToFileURL(join(ROOT, 'dist/')).href
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))

const scriptUrl = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`

/** Prints the URL of each ES module as Node loads it. */
const HOOKS = scriptUrl(`
  import { writeSync } from 'node:fs'
  export const load = (url, context, next) => (writeSync(1, url + '\\n'), next(url, context))`)

/** The URLs of all modules that an import of this path loads, those of CommonJS too. */
function loadedBy(specifier: string): string[] {
  const register = scriptUrl(`import { register } from 'node:module'; register(${JSON.stringify(HOOKS)})`)
  const program = `
    import { createRequire } from 'node:module'
    import { pathToFileURL } from 'node:url'
    await import(${JSON.stringify(specifier)})
    for (const file of Object.keys(createRequire(import.meta.url).cache)) console.log(pathToFileURL(file).href)`
  // Newer lines of Node.js warn of register(), whose successor older ones do not have.
  const args = ['--disable-warning=DEP0205', '--import', register, '--input-type=module', '--eval', program]
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' })
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 })
  return [...new Set(stdout.trim().split('\n'))].filter((url) => url.startsWith('file:'))
}

/** The packages among these modules, without those that packages bring with them for themselves. */
function packagesOf(urls: readonly string[]): string[] {
  const names = urls.flatMap((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(fileURLToPath(url))?.[1] ?? [])
  return [...new Set(names)].filter((name) => name in manifest.dependencies).toSorted()
}

/** The places of lib/ among these modules: folders, and files beside them. */
function placesOf(urls: readonly string[]): string[] {
  const own = urls.filter((url) => url.startsWith(BUILD)).map((url) => url.slice(BUILD.length))
  return [...new Set(own.map((file) => file.split('/', 1)[0]!))].toSorted()
}

/** Everything that stands in a folder of its own so that it can be left out. */
const APART: ReadonlySet<string> = new Set([
  'auth',
  'cli',
  'connections',
  'contracts',
  'directory',
  'opentelemetry',
  'stdio',
])

test('express-mcp-gateway loads neither jose nor oauth4webapi, and no subpath', () => {
  const urls = loadedBy('express-mcp-gateway')
  expect(urls).toContain(`${BUILD}index.js`)
  expect(packagesOf(urls)).toEqual(['eventsource-parser', 'negotiator', 'undici'])
  expect(placesOf(urls).filter((place) => APART.has(place))).toEqual([])
})

test.each([
  ['auth', ['jose', 'lru-cache', 'oauth4webapi'], ['auth']],
  ['directory', ['eventsource-parser', 'lru-cache', 'negotiator'], ['directory']],
  ['connections', ['lru-cache', 'oauth4webapi', 'undici'], ['auth', 'connections']],
  ['stdio', ['cross-spawn'], ['stdio']],
  ['opentelemetry', [], ['opentelemetry']],
  ['testing', [], ['contracts']],
])('express-mcp-gateway/%s loads, of all packages, %j', (path, packages, apart) => {
  const urls = loadedBy(`express-mcp-gateway/${path}`)
  expect(packagesOf(urls)).toEqual(packages)
  expect(placesOf(urls).filter((place) => APART.has(place))).toEqual(apart)
})

test('every exported path is looked at here', () => {
  const paths = Object.keys(manifest.exports).filter((path) => path !== './package.json')
  expect(paths).toEqual([
    '.',
    './auth',
    './directory',
    './login',
    './connections',
    './testing',
    './stdio',
    './opentelemetry',
  ])
})
