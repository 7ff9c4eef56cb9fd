// The whole login in Chromium: from the URL of a server alone, through the app's own login and the page that asks, to a tool.
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { describeChromium, startChromium } from '../support/chromium.ts'
import { connectV1, textOf } from '../support/clients.ts'
import { type Listening, listen } from '../support/listen.ts'
import { type LoginApp, startLoginApp } from '../support/login-app.ts'
import { type OAuthOptions, oauthClientV1, oauthClientV2 } from '../support/oauth-clients.ts'
import { type RunningServer, startSdkV1Server } from '../support/servers.ts'

describeChromium('an agent logs its user in through Chromium', () => {
  let notes: RunningServer
  let app: LoginApp
  let browser: Browser
  let context: BrowserContext
  let page: Page
  /** The client's own: its metadata document, and where it waits for the code. */
  let client: Listening
  let complaints: string[]

  beforeAll(async () => {
    notes = await startSdkV1Server()
    client = await listen((request, response) => {
      if (!request.url?.startsWith('/client.json')) return void response.end('You may close this.')
      response.setHeader('content-type', 'application/json')
      const client_id = `${client.origin}/client.json`
      // A port of its own is no part of it, as with programs that listen wherever there is room.
      const redirect_uris = ['http://127.0.0.1/callback']
      response.end(JSON.stringify({ client_id, client_name: 'Documented', redirect_uris }))
    })
    app = await startLoginApp({
      servers: { notes: { url: notes.url, title: 'Notes' } },
      login: { registration: true, title: 'Example Corp' },
    })
    browser = await startChromium()
  })
  afterAll(async () => {
    await browser.close()
    await app.close()
    await client.close()
    await notes.close()
  })
  beforeEach(async () => {
    complaints = []
    context = await browser.newContext()
    page = await context.newPage()
    page.setDefaultTimeout(8_000)
    page.on('console', (message) => {
      const { url } = message.location()
      // Not what clients' pages do, nor that this app has no icon.
      if (url.startsWith(app.origin) && !url.endsWith('/favicon.ico')) complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(String(error)))
  })
  afterEach(async () => {
    await context.close()
    await app.login.disconnect('ada')
    expect(complaints).toEqual([])
    expect(app.reported).toEqual([])
  })

  /** Opens a URL, logs in where that is asked, answers, and waits until the browser is back at the client. */
  async function answer(url: URL, decision: 'Allow' | 'Deny' = 'Allow'): Promise<URL> {
    await page.goto(url.href)
    if (new URL(page.url()).pathname === '/login') {
      await page.getByLabel('Who are you?').fill('ada')
      await page.getByRole('button', { name: 'Log in' }).click()
    }
    await page.getByRole('heading', { name: 'Let an agent use Notes?' }).waitFor()
    const back = page.waitForURL((to) => to.pathname.endsWith('/callback'))
    await page.getByRole('button', { name: decision }).click()
    await back
    return new URL(page.url())
  }
  const redirectUrl = (): string => `${client.origin}/callback`

  test.each([
    ['SDK v1', oauthClientV1],
    ['SDK v2', oauthClientV2],
  ])('%s, registered, and by its metadata document', async (_, make) => {
    const ways: OAuthOptions[] = [
      { redirectUrl: redirectUrl() },
      { redirectUrl: redirectUrl(), clientId: `${client.origin}/client.json` },
    ]
    for (const way of ways) {
      const agent = make(app.url('notes'), answer, way)
      await agent.connect()
      expect(textOf(await agent.call('echo', { text: 'hello' }))).toBe('hello')
      agent.spoil()
      expect(textOf(await agent.call('echo', { text: 'again' }))).toBe('again')
      expect(agent.logins).toHaveLength(1)
      await agent.close()
    }
    await page.goto(`${app.origin}/oauth/agents`)
    expect(await page.getByRole('heading', { level: 2 }).allTextContents()).toEqual(
      expect.arrayContaining(['Documented', 'The tests']),
    )
    await page.getByRole('button', { name: 'Disconnect Documented' }).click()
    await page.getByRole('button', { name: 'Disconnect The tests' }).click()
    await page.getByText('No agent is connected.').waitFor()
    expect(await app.login.list('ada')).toEqual([])
  })

  test('the metadata says that clients need not register', async () => {
    const metadata = await fetch(`${app.origin}/.well-known/oauth-authorization-server`)
    expect(await metadata.json()).toMatchObject({
      client_id_metadata_document_supported: true,
      token_endpoint_auth_methods_supported: expect.arrayContaining(['none']),
    })
  })

  test('a user who denies is taken back to the client, which hears of it', async () => {
    let error: string | null = null
    const agent = oauthClientV2(
      app.url('notes'),
      async (url) => {
        const back = await answer(url, 'Deny')
        error = back.searchParams.get('error')
        expect(back.searchParams.get('iss')).toBe(app.origin)
        return back
      },
      { redirectUrl: redirectUrl() },
    )
    await expect(agent.connect()).rejects.toThrow(/denied/i)
    expect(error).toBe('access_denied')
    await agent.close()
  })

  test('mcp-remote, which registers itself and listens on a port of its own', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mcp-remote-'))
    const proxy = createRequire(import.meta.url).resolve('mcp-remote/dist/proxy.js')
    const env = { MCP_REMOTE_CONFIG_DIR: folder, PATH: String(process.env['PATH']), BROWSER: '/bin/true' }
    const args = [proxy, app.url('notes'), '--transport', 'http-only', '--allow-http']
    const transport = new StdioClientTransport({ command: process.execPath, args, env, stderr: 'pipe' })
    let said = ''
    const asked = new Promise<URL>((resolve) => {
      transport.stderr!.on('data', (chunk: Buffer) => {
        said += chunk.toString()
        const url = /^\s*(http\S+\/oauth\/authorize\?\S+)\s/m.exec(said)?.[1]
        if (url !== undefined) resolve(new URL(url))
      })
    })
    const connecting = connectV1(transport)
    await answer(await asked)
    const agent = await connecting
    expect(textOf(await agent.call('echo', { text: 'hello' }))).toBe('hello')
    const [connected] = await app.login.list('ada')
    expect(connected?.client).toMatchObject({ redirectHost: 'loopback' })
    await agent.close()
    rmSync(folder, { recursive: true })
  })

  test('the list of servers lets its visitor sign in, try a tool, and install what logs in by itself', async () => {
    await page.goto(`${app.origin}/mcp-servers`)
    await page.getByRole('link', { name: 'Sign in' }).first().click()
    await page.getByLabel('Who are you?').fill('ada')
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByRole('link', { name: 'Notes' }).waitFor()
    const links = page.locator('a[href^="cursor:"], a[href^="vscode:"]')
    const [cursor = '', vsCode = ''] = await links.evaluateAll((all) => all.map(({ href }: { href: string }) => href))
    const config = Buffer.from(new URL(cursor).searchParams.get('config') ?? '', 'base64').toString()
    expect(JSON.parse(config)).toEqual({ url: app.url('notes') })
    const installed = JSON.parse(decodeURIComponent(vsCode.slice(vsCode.indexOf('?') + 1))) as { url: string }
    const agent = oauthClientV2(installed.url, answer, { redirectUrl: redirectUrl() })
    await agent.connect()
    await agent.close()

    await page.goto(`${app.origin}/mcp-servers?server=notes`)
    const tool = page.locator('details.item', { has: page.getByText('echo', { exact: true }) })
    await tool.getByText('echo', { exact: true }).click()
    await tool.getByLabel('text').fill('by hand')
    // It says nothing of what it changes, so the page asks again.
    await tool.getByRole('button', { name: 'Run' }).click()
    await page.getByRole('button', { name: 'Run it' }).click()
    await tool.getByText('by hand', { exact: true }).waitFor()
    // The first page says 401, and Chromium of that, that it could not be loaded.
    complaints = complaints.filter((text) => !text.startsWith('Failed to load resource'))
  })

  test('what cannot go on is a page, and leads nowhere by itself', async () => {
    const id = `${client.origin}/else.json`
    const query = new URLSearchParams({ client_id: id, response_type: 'token', redirect_uri: 'https://evil.example/' })
    await page.goto(`${app.origin}/oauth/authorize?${query.toString()}`)
    expect(new URL(page.url()).origin).toBe(app.origin)
    expect(await page.getByRole('alert').count()).toBe(1)
    // Chromium says of each page that is an error that it could not be loaded.
    complaints = complaints.filter((text) => !text.startsWith('Failed to load resource'))
  })
})
