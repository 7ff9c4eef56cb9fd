// What the README and docs/ say is true: their programs run, their tables are those of the code, their links resolve.
import { fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { jest } from '@jest/globals'
import * as auth from '../lib/auth/index.ts'
import * as directory from '../lib/directory/index.ts'
import * as api from '../lib/index.ts'
import { parseOptions } from '../lib/options.ts'
import { anchorOf } from '../lib/util/anchors.ts'
import { connectSdkV1, textOf } from './support/clients.ts'
import { listen } from './support/listen.ts'
import { KNOWN_IDS } from './requirements.ts'

const { GatewayError, mcpGateway } = api

const ROOT = join(import.meta.dirname, '..')
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8')
const docs = readdirSync(join(ROOT, 'docs')).flatMap((file) => (file.endsWith('.md') ? `docs/${file}` : []))
const papers = ['README.md', 'CHANGELOG.md', 'examples/README.md', ...docs]
const programsOf = (file: string): string[] =>
  Array.from(read(file).matchAll(/^```js\n(.*?)^```$/gms), ([, code]) => code!)
const programs = papers.flatMap(programsOf)
const linesOf = (code: string): string[] => code.split('\n').filter((line) => line !== '')

/** The only program of README and docs that has this in it. */
function program(part: string): string {
  const found = programs.filter((code) => code.includes(part))
  expect(found).toHaveLength(1)
  return found[0]!
}

/** What a program says instead when the test runs it. */
function replace(code: string, said: string, instead: string): string {
  expect(code).toContain(said)
  return code.replace(said, instead)
}

/** The cells of the rows that open with code, in the first table of a page whose head begins with this word. */
function table(file: string, head: string): string[][] {
  const rows = new RegExp(`^\\| ${head} \\|.*\\n\\|[ |-]+\\n((?:\\|.*\\n)+)`, 'm').exec(read(file))?.[1] ?? ''
  return linesOf(rows).map((row) =>
    row
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim().replace(/^`([^`]*)`$/, '$1')),
  )
}

describe('the programs of README and docs', () => {
  // A folder of its own, with the package and Express installed, as a reader has it.
  const folder = mkdtempSync(join(tmpdir(), 'readme-'))
  beforeAll(() => {
    mkdirSync(join(folder, 'node_modules'))
    symlinkSync(ROOT, join(folder, 'node_modules', 'express-mcp-gateway'))
    for (const scope of ['@opentelemetry', '@modelcontextprotocol']) mkdirSync(join(folder, 'node_modules', scope))
    for (const name of ['express', 'prom-client', '@opentelemetry/api', '@modelcontextprotocol/server']) {
      symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name))
    }
    write('package.json', '{ "type": "module" }')
    // A client of Redis that needs no Redis.
    mkdirSync(join(folder, 'node_modules', 'redis'))
    write('node_modules/redis/package.json', '{ "type": "module", "exports": "./index.js" }')
    write(
      'node_modules/redis/index.js',
      `export const createClient = () => ({ call: async () => null, on() {}, subscribe: async () => {}, connect: async () => createClient(), duplicate: createClient })
      export const createCluster = createClient`,
    )
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  function write(file: string, code: string): string {
    const path = join(folder, file)
    writeFileSync(path, code)
    return path
  }

  function run(file: string): string {
    const { stdout, stderr, status } = spawnSync(process.execPath, [file], {
      cwd: folder,
      encoding: 'utf8',
      timeout: 60_000,
    })
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 })
    return stdout
  }

  const quickStart = program("app.listen(3000, '127.0.0.1')")
  const store = program('export const keyValueStore')
  const storeTest = program('sessionStoreContract(')

  test('the quick start has 10 lines', () => {
    expect(quickStart.trimEnd().split('\n')).toHaveLength(10)
  })

  test.each([
    ['app.mjs', quickStart],
    ['app.cjs', /^```cjs\n(.*?)^```$/ms.exec(read('README.md'))![1]!],
  ])('a real client reaches a real server through the quick start, %s', async (file, text) => {
    const listening = "app.listen(0, '127.0.0.1', function () { process.send(this.address().port) })"
    // What is installed here, in place of what npx would fetch.
    const manifest = createRequire(import.meta.url).resolve('@modelcontextprotocol/server-everything/package.json')
    const installed = JSON.stringify([join(dirname(manifest), 'dist', 'index.js')])
    const started = replace(text, "['-y', '@modelcontextprotocol/server-everything']", installed)
    const local = replace(started, "'npx'", JSON.stringify(process.execPath))
    const app = write(file, replace(local, "app.listen(3000, '127.0.0.1')", listening))
    const child = fork(app, { cwd: folder, execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    let said = ''
    child.stderr!.on('data', (chunk) => (said += String(chunk)))
    const closed = once(child, 'close')
    try {
      const ended = closed.then(([code]) => Promise.reject(new Error(`It exited with ${String(code)}: ${said}`)))
      const [port] = (await Promise.race([once(child, 'message'), ended])) as [number]
      const client = await connectSdkV1(`http://127.0.0.1:${port}/mcp-servers/everything/mcp`)
      expect(textOf(await client.call('echo', { message: 'hello' }))).toBe('Echo: hello')
      await client.endSession()
      await client.close()
    } finally {
      child.kill()
      await closed
    }
    // The server does not heed the end of its input, so it has two seconds before it is told to end.
  })

  test('the store has 15 lines and keeps the contract, which runs as the README says', () => {
    expect(linesOf(store)).toHaveLength(15)
    write('key-value-store.js', store)
    const report = run(write('store.test.js', storeTest))
    expect(report).toMatch(/^(?:# |ℹ )pass (?:1\d|[2-9]\d)$/m)
    expect(report).toMatch(/^(?:# |ℹ )fail 0$/m)
  })

  test('every other program runs in an app that has what it takes for granted', () => {
    const others = programs.filter((code) => ![quickStart, store, storeTest].includes(code))
    expect(others.length).toBeGreaterThan(8)
    const files = others.map((code, index) => write(`program-${index}.js`, code.replace('listen(3000,', 'listen(0,')))
    const given = `
      import { generateKeyPairSync } from 'node:crypto'
      import http from 'node:http'
      import express from 'express'
      import * as api from 'express-mcp-gateway'
      import * as auth from 'express-mcp-gateway/auth'
      import { serverDirectory } from 'express-mcp-gateway/directory'
      const { mcpGateway } = api
      const servers = {}, authenticate = () => undefined, weather = { url: 'https://weather.example.com/mcp' }
      const gateway = mcpGateway({ servers, authenticate }), app = express(), router = express.Router()
      import { createClient } from 'redis'
      const [redis, client, blocking] = [createClient(), createClient(), createClient()]
      const [newKey, oldKey] = ['a new secret of 32 characters or more', 'an old secret of 32 characters or more']
      const given = { serverDirectory, redis, client, blocking, http, express, servers, authenticate, weather, gateway, app, router, newKey, oldKey, test: () => {}, MyEventLog: class {} }
      const [agent] = [{ grant: 'a', client: { id: 'b' } }], key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
      const login = { authenticate, list: async () => [agent], disconnect: async () => {} }
      const loginOptions = { issuer: 'https://app.example.com', user: () => undefined, loginUrl: '/login', keys: [key.export({ format: 'jwk' })], secrets: [newKey] }
      Object.assign(globalThis, api, auth, given, { login }, loginOptions)
      // oidc-provider warns of Node.js 20, on which all but the login is supported.
      console.warn = (words) => { if (!String(words).includes('Unsupported runtime')) throw new Error(words) }
      for (const file of ${JSON.stringify(files)}) await import(file)
      console.log('all of them')
      process.exit()`
    expect(run(write('given.js', given))).toBe('all of them\n')
  })
})

test('every value that the package exports is shown in a program', () => {
  const names = [api, auth, directory].flatMap((entry) => Object.keys(entry))
  expect(names.filter((name) => !programs.some((code) => code.includes(name)))).toEqual([])
})

describe('the tables', () => {
  /** The names that a TypeError lists for an option nobody knows. */
  function known(options: object, unknown: string): string[] {
    try {
      mcpGateway({ servers: {}, authenticate: false, ...options })
    } catch (error) {
      const [, name, names] =
        /^"(.*)" is not an option; there are: (.*) \(docs\/errors\.md#typeerror\)$/.exec((error as Error).message) ?? []
      if (name === unknown) return names!.split(', ')
    }
    return []
  }

  test('the options are those that mcpGateway() takes', () => {
    const options = known({ nonsense: 1 }, 'nonsense').flatMap((option) => {
      const inner = known({ [option]: { nonsense: 1 } }, `${option}.nonsense`)
      return inner.length === 0 ? [option] : inner.map((name) => `${option}.${name}`)
    })
    expect(options.length).toBeGreaterThan(8)
    const rows = table('docs/options.md', 'Option').map(([option]) => option!)
    const leaves = rows.filter((row) => !rows.some((other) => other.startsWith(`${row}.`)))
    expect(leaves).toEqual(options)
  })

  test('the numbers among the defaults are those that a gateway runs on', () => {
    const { cacheBytes: maxBytes, ...rest } = parseOptions({ servers: {}, authenticate: false, cache: true })
    const defaults: Readonly<Record<string, unknown>> = { ...rest, maxBytes }
    const numbers = table('docs/options.md', 'Option').filter(([, type]) => type === 'number')
    expect(numbers.length).toBeGreaterThan(2)
    for (const [option, , value] of numbers) expect(defaults[option!.split('.').at(-1)!]).toBe(Number(value))
  })

  test('the examples are those there are', () => {
    const entries = readdirSync(join(ROOT, 'examples'), { withFileTypes: true })
    const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
    const listed = Array.from(read('examples/README.md').matchAll(/^- \[(.*?)\]\((.*?)\)/gm))
    expect(listed.map(([, text]) => text!).toSorted()).toEqual(folders.toSorted())
    expect(listed.map(([, , folder]) => folder!).toSorted()).toEqual(folders.toSorted())
  })
})

describe('docs/errors.md', () => {
  const page = read('docs/errors.md')
  const sections = Array.from(page.matchAll(/^## (.*)\n\n((?:(?!## ).*\n)*)/gm), ([, head, text]) => [head!, text!])
  const codes = Array.from(read('lib/errors.ts').matchAll(/^ {2}(\w+): \{ status: /gm), ([, code]) => code!)

  test('has each code and nothing else, in the order of the code, each with its status, its JSON-RPC code and a cure', () => {
    expect(codes.length).toBeGreaterThan(20)
    expect(sections.map(([head]) => head)).toEqual([...codes, 'TypeError'])
    for (const [code, text] of sections.slice(0, -1)) {
      const error = new GatewayError(code as api.GatewayErrorCode, '')
      const rpc = JSON.parse(error.toJsonRpc()).error.code
      expect(text).toMatch(
        new RegExp(`^\\*\\*HTTP ${error.status}, JSON-RPC ${rpc}\\.\\*\\* .+\\n\\n(.+\\n\\n)*\\*Cure:\\* .+\\n`),
      )
    }
  })

  test('has an anchor for each code, and one for TypeErrors, as errors name them', () => {
    const named = [...(codes as api.GatewayErrorCode[]), 'typeerror' as const].map((code) => anchorOf(code).split('#'))
    expect(named.map(([file]) => file)).toEqual(named.map(() => 'docs/errors.md'))
    expect(named.map(([, anchor]) => anchor)).toEqual(anchorsOf(page).slice(1))
  })
})

test('SC2: behind a proxy on the same machine, onError says what docs/mounting.md says it does', async () => {
  const printed = jest.spyOn(console, 'error').mockImplementation(() => {})
  const gateway = mcpGateway({ servers: {}, authenticate: false })
  const { origin, close } = await listen(gateway)
  try {
    const asking = request(`${origin}/weather/mcp`, { headers: { host: 'app.example.com' } }).end()
    const [response] = await once(asking, 'response')
    response.resume()
    expect(response.statusCode).toBe(403)
    expect(printed.mock.calls).toHaveLength(1)
    expect(read('docs/mounting.md')).toContain(`\n${printed.mock.calls[0]!.join(' ')}\n`)
  } finally {
    printed.mockRestore()
    await gateway.close()
    await close()
  }
})

test.each(papers)('every relative link of %s resolves', (file) => {
  const text = read(file).replaceAll(/^```.*?^```$/gms, '')
  const links = [
    ...text.matchAll(/\]\((?!https?:|mailto:)([^)#]*)(?:#([^)]*))?\)/g),
    ...text.matchAll(/ (?:src|srcset|href)="(?!https?:)([^"#]*)(?:#([^"]*))?"/g),
  ]
  const broken = links.filter(([, path, anchor]) => {
    const target = path === '' ? file : join(dirname(file), path!)
    if (!existsSync(join(ROOT, target))) return true
    return anchor !== undefined && !anchorsOf(read(target)).includes(anchor)
  })
  expect(broken.map(([link]) => link)).toEqual([])
})

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(page: string): string[] {
  const found: string[] = []
  for (const [, heading] of page.replaceAll(/^```.*?^```$/gms, '').matchAll(/^#+ (.*)$/gm)) {
    const anchor = heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_\- ]/gu, '')
      .replaceAll(' ', '-')
    const before = found.filter((each) => each === anchor || each.replace(/-\d+$/, '') === anchor).length
    found.push(before === 0 ? anchor : `${anchor}-${before}`)
  }
  return found
}

test.each(papers)('every script that %s tells to run is there', (file) => {
  const { scripts } = JSON.parse(read('package.json'))
  const told = Array.from(read(file).matchAll(/npm (?:run )?(start|test|(?<=run )[\w:]+)/g), ([, script]) => script!)
  expect(told.filter((script) => !(script in scripts))).toEqual([])
})

test('docs/protocol.md cites requirements that exist', () => {
  const cited = read('docs/protocol.md').match(/\b[A-Z]{2,3}\d+\b/g) ?? []
  expect(cited.length).toBeGreaterThan(40)
  expect(cited.filter((id) => !KNOWN_IDS.has(id))).toEqual([])
})
