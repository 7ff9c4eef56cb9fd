// What a browser sees at a server's URL, which is for MCP clients.
import express from 'express'
import { BROWSER, startDirectory } from '../directory/setup.ts'
import { connectSdkV1 } from '../support/clients.ts'
import { describeChromium, startChromium } from '../support/chromium.ts'
import { startGateway } from '../support/gateway.ts'
import { startSdkV1Server } from '../support/servers.ts'
import { closeUsed, use } from '../support/use.ts'

afterEach(closeUsed)

const asBrowser = (url: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(url, { headers: { accept: BROWSER, ...headers } })

/** Nobody is let in, and one server is there. */
const closed = { servers: { weather: { url: 'http://127.0.0.1:9/mcp' } }, authenticate: () => undefined }

test('SC7: it is the same for any name and for strangers, so that it does not tell which servers exist', async () => {
  const { url } = await use(startDirectory({ gateway: closed }))
  const [known, unknown] = [await asBrowser(`${url}/weather/mcp`), await asBrowser(`${url}/nothing/mcp`)]
  expect(known.status).toBe(200)
  expect(known.headers.get('content-type')).toBe('text/html; charset=utf-8')
  expect(known.headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-/)
  const page = await known.text()
  expect(page).toContain('This address is for MCP clients')
  expect([unknown.status, await unknown.text()]).toEqual([200, page])
})

test('it links to the list where a directory is mounted with the gateway, and names none elsewhere', async () => {
  const { url } = await use(startDirectory({ gateway: closed }))
  expect(await (await asBrowser(`${url}/weather/mcp`)).text()).toContain('href="../"')
  const { url: urlOf } = await use(startGateway(closed))
  expect(await (await asBrowser(urlOf('weather'))).text()).not.toContain('href')
})

test.each([
  ['/:name/mcp', '/weather/mcp'],
  ['/:name/mcp', '/weather/mcp/'],
  ['/:name/mcp', '/weather/mcp?x=/y/'],
  ['/agents/v1/:name', '/agents/v1/weather'],
  ['/mcp', '/mcp'],
  ['/', '/'],
])('with the path %s, the link at %s leads to the mount', async (path, at) => {
  const { url } = await use(startDirectory({ gateway: { ...closed, path } }))
  const page = await (await asBrowser(url + at)).text()
  expect(new URL(/href="(.*?)"/.exec(page)![1]!, url + at).href).toBe(`${url}/`)
})

test('HD1: a client of MCP gets what the protocol says, whatever else it accepts', async () => {
  const { url } = await use(startGateway(closed))
  const weather = url('weather')
  for (const accept of ['text/event-stream', 'text/event-stream, text/html', '*/*', `${BROWSER}, text/event-stream`]) {
    expect((await asBrowser(weather, { accept })).status).toBe(401)
  }
  expect((await asBrowser(weather, { 'mcp-session-id': 'x' })).status).toBe(401)
  expect((await asBrowser(weather, { 'mcp-protocol-version': '2025-11-25' })).status).toBe(401)
  expect((await fetch(weather, { method: 'POST', headers: { accept: BROWSER } })).status).toBe(401)
  const { url: server } = await use(startSdkV1Server())
  const open = await use(startGateway({ servers: { weather: { url: server } } }))
  const client = await connectSdkV1(open.url('weather'))
  expect((await client.tools()).length).toBeGreaterThan(1)
  await client.close()
})

test('SC2: a host and an origin that are not allowed are refused first', async () => {
  const { url } = await use(startGateway(closed))
  expect((await asBrowser(url('weather'), { origin: 'https://evil.example' })).status).toBe(403)
})

test('a path that is not a server’s goes on to the app', async () => {
  const { origin } = await use(startGateway(closed, { prefix: '', mount: (gateway) => express().use(gateway) }))
  expect((await asBrowser(`${origin}/about`)).status).toBe(404)
})

describeChromium('in a browser', () => {
  test('the link is followed, and the policy lets the style through', async () => {
    const browser = await use(startChromium())
    const { url } = await use(startDirectory({ directory: { title: 'The servers' } }))
    const page = await browser.newPage()
    const faults: string[] = []
    page.on('console', (message) => void faults.push(message.text()))
    await page.goto(`${url}/weather/mcp`)
    expect(await page.evaluate('getComputedStyle(document.body).maxWidth')).toBe('576px')
    await page.getByRole('link').click()
    await page.waitForURL(`${url}/`)
    expect(await page.title()).toBe('The servers')
    expect(faults).toEqual([])
  })
})
