// The guarded fetch: what it refuses without a connection, what it is pinned to, and its limits. (SC4)
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { jest } from '@jest/globals'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  type GuardedFetch,
  guardedFetch,
  type GuardedFetchOptions,
  resolveByDns,
} from '../../lib/util/guarded-fetch.ts'

let server: Server
let port: number
let connections: number
let answer: RequestListener

beforeAll(async () => {
  server = createServer((request, response) => answer(request, response))
  server.on('connection', () => (connections += 1))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})
beforeEach(() => {
  connections = 0
  answer = (_request, response) => response.end('here')
})

const never = async (): Promise<never> => {
  throw new Error('asked for a name')
}
const guarded = (options: Partial<GuardedFetchOptions> = {}): GuardedFetch =>
  guardedFetch({ allowLoopback: false, resolve: never, ...options })
const onLoopback = (options: Partial<GuardedFetchOptions> = {}): GuardedFetch =>
  guarded({ allowLoopback: true, ...options })
const here = (path = '/'): string => `http://127.0.0.1:${port}${path}`

describe('an address that is not public', () => {
  test.each([
    'localhost',
    'LOCALHOST',
    'localhost.',
    'sub.localhost',
    '127.0.0.1',
    '127.1',
    '2130706433',
    '0x7f000001',
    '0177.0.0.1',
    '0',
    '0.0.0.0',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[64:ff9b::7f00:1]',
    '[2002:7f00:1::]',
    '10.0.0.1',
    '169.254.169.254',
    '[fe80::1]',
    '[fd00:ec2::254]',
    '１２７.0.0.1',
    '127。0。0。1',
  ])('%s is refused without a connection, by https: and by http:', async (host) => {
    for (const scheme of ['https', 'http']) {
      const asked = guarded()(`${scheme}://${host}:${port}/`)
      await expect(asked).rejects.toMatchObject({ fault: 'refused', message: expect.stringContaining('not public') })
    }
    expect(connections).toBe(0)
  })

  test.each([
    ['127.0.0.1'],
    ['::1'],
    ['::ffff:127.0.0.1'],
    ['10.1.2.3'],
    ['169.254.169.254'],
    ['8.8.8.8', '127.0.0.1'],
    ['127.0.0.1', '8.8.8.8'],
    ['2606:4700:4700::1111', 'fe80::1'],
    ['not an address'],
  ])('behind a name that stands for %s %s is refused, also where another one is public', async (...addresses) => {
    const asked = guarded({ resolve: async () => addresses })(`https://client.example:${port}/`)
    await expect(asked).rejects.toMatchObject({ fault: 'refused' })
    expect(connections).toBe(0)
  })

  test('is refused in words that do not say what was found', async () => {
    const said = async (resolve: GuardedFetchOptions['resolve'] & {}): Promise<string> =>
      guarded({ resolve })('https://client.example/').then(String, (error: Error) => error.message)
    expect(await said(async () => ['127.0.0.1'])).toBe(await said(async () => ['10.0.0.1']))
  })
})

describe('a URL', () => {
  test.each([
    'ftp://client.example/',
    'file:///etc/passwd',
    'data:text/plain,a',
    'https://user:secret@client.example/',
  ])('%s is refused, without a lookup', async (url) => {
    const resolve = jest.fn(never)
    for (const fetch of [guarded({ resolve }), onLoopback({ resolve })]) {
      await expect(fetch(url)).rejects.toMatchObject({ fault: 'refused' })
    }
    expect(resolve).not.toHaveBeenCalled()
  })

  test('with http: is asked on loopback alone, and there only where it is allowed', async () => {
    expect(await (await onLoopback()(here())).text()).toBe('here')
    const outside = onLoopback({ resolve: async () => ['8.8.8.8'] })('http://client.example/')
    await expect(outside).rejects.toMatchObject({ fault: 'refused' })
    const mixed = onLoopback({ resolve: async () => ['127.0.0.1', '8.8.8.8'] })(`http://client.example:${port}/`)
    await expect(mixed).rejects.toMatchObject({ fault: 'refused' })
    expect(connections).toBe(1)
  })

  test.each(['10.0.0.1', '169.254.169.254', '[::ffff:127.0.0.1]', '0.0.0.0'])(
    'at %s is refused on loopback too',
    async (host) => {
      await expect(onLoopback()(`http://${host}:${port}/`)).rejects.toMatchObject({ fault: 'refused' })
      expect(connections).toBe(0)
    },
  )
})

test('a name is looked up once, and the connection goes to what was found, whatever the name stands for later', async () => {
  const resolve = jest.fn(async () => (resolve.mock.calls.length === 1 ? ['127.0.0.1'] : ['10.0.0.1']))
  let host: string | undefined
  answer = (request, response) => {
    host = request.headers.host
    response.end('here')
  }
  const fetch = onLoopback({ resolve })
  const url = `http://client.example:${port}/`
  expect(await (await fetch(url)).text()).toBe('here')
  expect(host).toBe(`client.example:${port}`)
  expect(resolve).toHaveBeenCalledTimes(1)
  // No connection is kept that a later request could use unchecked.
  await expect(fetch(url)).rejects.toMatchObject({ fault: 'refused' })
})

test('a name without an address is unavailable', async () => {
  const asked = guarded({ resolve: async () => [] })('https://client.example/')
  await expect(asked).rejects.toMatchObject({ fault: 'unavailable' })
})

test.each([301, 302, 303, 307, 308])('a redirect with %d is not followed', async (status) => {
  answer = (_request, response) => response.writeHead(status, { location: here('/inside') }).end()
  await expect(onLoopback()(here())).rejects.toMatchObject({ fault: 'refused' })
  expect(connections).toBe(1)
})

test('a response has its status, headers and body; a request its method, headers and body', async () => {
  answer = (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      response.writeHead(401, { 'content-type': 'text/plain', 'set-cookie': ['a=1', 'b=2'] })
      response.end(`${request.method} ${String(request.headers['x-one'])} ${Buffer.concat(chunks).toString()}`)
    })
  }
  const response = await onLoopback()(here(), { method: 'POST', headers: { 'x-one': '1' }, body: 'all' })
  expect(response.status).toBe(401)
  expect(response.headers.get('content-type')).toBe('text/plain')
  expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
  expect(await response.text()).toBe('POST 1 all')
})

test('a body has at most "maxBytes", whatever its length was said to be', async () => {
  const fetch = onLoopback()
  answer = (_request, response) => response.end('a'.repeat(1_000))
  expect((await (await fetch(here(), { maxBytes: 1_000 })).text()).length).toBe(1_000)
  let written = 0
  answer = (_request, response) => {
    const write = (): void => {
      if (response.destroyed) return
      written += 1_000
      response.write('a'.repeat(1_000), () => setImmediate(write))
    }
    write()
  }
  await expect(fetch(here(), { maxBytes: 1_000 })).rejects.toMatchObject({ fault: 'refused' })
  expect(written).toBeLessThan(1_000_000)
})

test('204 has no body', async () => {
  answer = (_request, response) => response.writeHead(204).end()
  expect(await (await onLoopback()(here())).text()).toBe('')
})

describe('after "timeoutMs"', () => {
  test('a response that comes byte by byte is given up, and its connection closed', async () => {
    let hasEnded: () => void
    const ended = new Promise<void>((resolve) => (hasEnded = resolve))
    answer = (_request, response) => {
      const timer = setInterval(() => response.write('a'), 5)
      response.on('close', () => {
        clearInterval(timer)
        hasEnded()
      })
    }
    await expect(onLoopback()(here(), { timeoutMs: 50 })).rejects.toMatchObject({ fault: 'unavailable' })
    await ended
  })

  test('a server that says nothing is given up', async () => {
    answer = () => {}
    await expect(onLoopback()(here(), { timeoutMs: 50 })).rejects.toMatchObject({ fault: 'unavailable' })
  })

  test('a name server that says nothing is given up', async () => {
    const resolve = (_hostname: string, signal: AbortSignal): Promise<never> =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
    const asked = guarded({ resolve })('https://client.example/', { timeoutMs: 50 })
    await expect(asked).rejects.toMatchObject({ fault: 'unavailable' })
  })
})

describe('requests', () => {
  /** Requests that are held until they are let go. */
  function holding(): { release: () => void } {
    const held: (() => void)[] = []
    answer = (_request, response) => void held.push(() => response.end('late'))
    return { release: () => held.splice(0).forEach((each) => each()) }
  }
  const busy = { fault: 'busy' }

  test('at once have a limit for each host, and one for all', async () => {
    const resolve = async (): Promise<string[]> => ['127.0.0.1']
    const fetch = onLoopback({ maxPerHost: 2, maxRunning: 3, resolve })
    const gate = holding()
    const at = (host: string): Promise<Response> => fetch(`http://${host}:${port}/`)
    const running = [at('a.example'), at('a.example')]
    await expect(at('a.example')).rejects.toMatchObject(busy)
    running.push(at('b.example'))
    await expect(at('c.example')).rejects.toMatchObject(busy)
    const timer = setInterval(gate.release, 5)
    await Promise.all(running)
    await expect(at('a.example')).resolves.toMatchObject({ status: 200 })
    clearInterval(timer)
  })

  test('in a minute have a limit, failed ones too; refused URLs do not count', async () => {
    const fetch = onLoopback({ maxPerMinute: 2, resolve: async () => [] })
    await expect(fetch('ftp://a.example/')).rejects.toMatchObject({ fault: 'refused' })
    await fetch(here())
    await expect(fetch('https://a.example/')).rejects.toMatchObject({ fault: 'unavailable' })
    await expect(fetch(here())).rejects.toMatchObject(busy)
    const later = performance.now() + 60_000
    const clock = jest.spyOn(performance, 'now').mockReturnValue(later)
    await expect(fetch(here())).resolves.toMatchObject({ status: 200 })
    clock.mockRestore()
  })
})

test('what the HTTP client says of a failure is not repeated', async () => {
  answer = (_request, response) => {
    response.socket?.end('HTTP/1.1 200 OK\r\nbad header secret\r\n\r\n')
  }
  const message = await onLoopback()(here()).then(String, (error: Error) => error.message)
  expect(message).toContain('did not answer')
  expect(message).not.toContain('secret')
})

describe('a lookup', () => {
  const A = 1
  const AAAA = 28

  /** A name server with these records for every name; one without an entry for a type says nothing to it. */
  async function nameServer(records: Readonly<Record<number, readonly Buffer[]>>) {
    const socket = createSocket('udp4', (query, { port: from, address }) => {
      const end = query.indexOf(0, 12) + 5
      const type = query.readUInt16BE(end - 4)
      const found = records[type]
      if (!found) return
      const head = Buffer.from(query.subarray(0, end))
      head.writeUInt16BE(0x8180, 2)
      head.writeUInt16BE(found.length, 6)
      head.writeUInt32BE(0, 8)
      const answers = found.map((data) => {
        const record = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, data.length])
        return Buffer.concat([record, data])
      })
      socket.send(Buffer.concat([head, ...answers]), from, address)
    })
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return { servers: [`127.0.0.1:${socket.address().port}`], close: () => socket.close() }
  }
  const lookUp = async (records: Readonly<Record<number, readonly Buffer[]>>, signal: AbortSignal) => {
    const { servers, close } = await nameServer(records)
    try {
      return await resolveByDns('client.example', signal, servers)
    } finally {
      close()
    }
  }
  const inTime = (): AbortSignal => AbortSignal.timeout(30_000)

  test('finds the addresses of both families, so that none is left unchecked', async () => {
    const six = Buffer.from('fe800000000000000000000000000001', 'hex')
    const found = await lookUp(
      { [A]: [Buffer.from([8, 8, 8, 8]), Buffer.from([10, 0, 0, 1])], [AAAA]: [six] },
      inTime(),
    )
    expect(found.toSorted()).toEqual(['10.0.0.1', '8.8.8.8', 'fe80::1'])
  })

  test('finds those of one family where there are no others', async () => {
    expect(await lookUp({ [A]: [Buffer.from([8, 8, 8, 8])], [AAAA]: [] }, inTime())).toEqual(['8.8.8.8'])
  })

  test('ends with the request, whatever a name server does', async () => {
    const abort = new AbortController()
    setImmediate(() => abort.abort())
    expect(await lookUp({}, abort.signal)).toEqual([])
  })
})
