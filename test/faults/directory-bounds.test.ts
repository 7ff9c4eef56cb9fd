// What one look at the directory can make a server, or the gateway, do.
import { errorsMade, heldBytes, MiB, trickle, turns } from './support-bounds.ts'
import { GatewayError } from '../../lib/index.ts'
import type { ServerDirectoryOptions } from '../../lib/directory/index.ts'
import { authenticate, type RunningDirectory, startDirectory } from '../directory/setup.ts'
import { soon } from '../support/soon.ts'
import { startUpstream, type Exchange, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let directory: RunningDirectory

beforeEach(async () => {
  upstream = await startUpstream({ sessions: false })
})
afterEach(async () => {
  await directory.close()
  await upstream.close()
})

async function start(
  options: Omit<ServerDirectoryOptions, 'gateway'> = {},
  knows: typeof authenticate | false = false,
  publicUrl?: string,
): Promise<void> {
  const servers = { one: { url: upstream.url, protocol: 'modern' as const } }
  directory = await startDirectory({ gateway: { servers, authenticate: knows, publicUrl }, directory: options })
}

/** Answers who it is, and for each list a page of its own. */
function serve(capabilities: object, page: (exchange: Exchange) => Record<string, unknown>): void {
  upstream.on('server/discover', (exchange) =>
    exchange.result({ resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities }),
  )
  for (const list of ['tools/list', 'prompts/list', 'resources/list', 'resources/templates/list']) {
    upstream.on(list, (exchange) => exchange.result({ resultType: 'complete', ...page(exchange) }))
  }
}

const big = (bytes: number): object => ({
  name: 'big',
  description: 'x'.repeat(bytes),
  inputSchema: { type: 'object' },
})

async function look(headers: Record<string, string> = {}, path = '?server=one'): Promise<string> {
  const response = await fetch(`${directory.url}${path}`, { headers: { accept: 'application/json', ...headers } })
  const text = await response.text()
  expect(response.status).toBe(200)
  return text
}

describe('14: an interview', () => {
  test('ends when the pages of a list have brought enough bytes (SC6)', async () => {
    const page = { tools: [big(2 * MiB)], nextCursor: 'more' }
    serve({ tools: {} }, () => page)
    await start()
    const shown = await look()
    expect(upstream.requests('tools/list').length * 2 * MiB).toBeLessThan(24 * MiB)
    expect(shown.length).toBeLessThan(24 * MiB)
  })

  test('ends when the lists together have brought enough bytes (SC6)', async () => {
    const keys: Record<string, string> = {
      'tools/list': 'tools',
      'prompts/list': 'prompts',
      'resources/list': 'resources',
      'resources/templates/list': 'resourceTemplates',
    }
    let sent = 0
    serve({ tools: {}, prompts: {}, resources: {} }, ({ kind }) => {
      sent += 3 * MiB
      return { [keys[kind]!]: [big(3 * MiB)], ...(sent < 30 * MiB && { nextCursor: 'more' }) }
    })
    await start()
    await look()
    expect(sent).toBeLessThan(24 * MiB)
  })

  test('is not held again at the next look where it was large (SC6)', async () => {
    let page = 0
    serve({ tools: {} }, () => {
      page += 1
      return { tools: [big(2 * MiB)], ...(page % 3 > 0 && { nextCursor: String(page) }) }
    })
    await start()
    await look()
    const asked = upstream.requests().length
    await look()
    expect(upstream.requests().length).toBe(asked)
  })

  test('is not held again at the next look where an answer is too large to be read (SC6)', async () => {
    serve({ tools: {} }, () => ({ tools: [big(5 * MiB)] }))
    await start()
    await look()
    const asked = upstream.requests().length
    await look()
    expect(upstream.requests().length).toBe(asked)
  })

  const LOOKS = 30
  const cookie = (number: number): Record<string, string> => ({ cookie: `a=${number}` })

  test.each<[who: string, begin: () => Promise<void>, headers: (number: number) => Record<string, string>]>([
    ['a visitor with another cookie each time', async () => start(), cookie],
    [
      'a visitor with another Authorization each time, where nobody logs in',
      async () => start(),
      (number) => ({ authorization: `Bearer ${number}` }),
    ],
    [
      'one principal with another cookie each time',
      async () => start({}, authenticate),
      (number) => ({ 'x-user': 'ada', ...cookie(number) }),
    ],
  ])('is not held for every look of %s (SC6)', async (_, begin, headers) => {
    serve({ tools: {} }, () => ({ tools: [] }))
    await begin()
    for (let number = 0; number < LOOKS; number += 1) await look(headers(number))
    expect(upstream.requests('server/discover').length).toBeGreaterThan(0)
    expect(upstream.requests('server/discover').length).toBeLessThanOrEqual(LOOKS / 3)
  })

  test('is not held for every look that comes at the same time (SC6)', async () => {
    serve({ tools: {} }, () => ({ tools: [] }))
    await start()
    await Promise.all(Array.from({ length: LOOKS }, async (_, number) => look(cookie(number))))
    expect(upstream.requests('server/discover').length).toBeLessThanOrEqual(LOOKS / 3)
  })

  test('is not held for every look at a card (SC6)', async () => {
    serve({ tools: {} }, () => ({ tools: [] }))
    await start()
    for (let number = 0; number < LOOKS; number += 1) await look(cookie(number), '/one/mcp/server-card')
    expect(upstream.requests('server/discover').length).toBeLessThanOrEqual(LOOKS / 3)
  })

  test('is not held at all where cards are public (SC6)', async () => {
    await start({ publicCards: true }, false, 'https://app.example.com/mcp-servers')
    await look({}, '/one/mcp/server-card')
    expect(upstream.requests()).toEqual([])
  })
})

test('15: unknown lines in what a server says of itself do not cost an error each (SC6)', async () => {
  upstream.on('server/discover', async (exchange) => {
    const stream = exchange.stream()
    await stream.write('x\n'.repeat(5_000))
    stream.finish({ resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: {} })
  })
  await start()
  const before = errorsMade()
  expect(await look()).toContain('2026-07-28')
  expect(errorsMade() - before).toBeLessThan(50)
})

test('03: chunks of one byte cost what they weigh while a server says what it offers (SC6)', async () => {
  upstream.on('server/discover', () => {})
  await start()
  const before = await heldBytes()
  const leaving = new AbortController()
  const looking = fetch(`${directory.url}?server=one`, { signal: leaving.signal }).catch(() => {})
  const asked = await upstream.nextRequest('server/discover')
  await soon(trickle(asked, 'application/json', 'x'.repeat(160_000)), 'the chunks')
  await turns(300)
  const held = (await heldBytes()) - before
  leaving.abort()
  asked.cut()
  await looking
  expect(held).toBeLessThan(8 * MiB)
})

test('24: a schema with 16 KB of nesting is no fault of the gateway (SC6)', async () => {
  serve({ tools: {} }, () => ({ tools: [] }))
  const deep = '['.repeat(8 * 1024) + ']'.repeat(8 * 1024)
  upstream.on('tools/list', ({ message, status }) =>
    status(
      200,
      `{"jsonrpc":"2.0","id":${String(message!.id)},"result":{"resultType":"complete","tools":[{"name":"echo","inputSchema":{}},{"name":"deep","inputSchema":{"enum":${deep}}}]}}`,
      { 'content-type': 'application/json' },
    ),
  )
  await start()
  expect(await look()).not.toContain('Internal error')
  expect(directory.reported.entries.filter((error) => !(error instanceof GatewayError))).toEqual([])
})
