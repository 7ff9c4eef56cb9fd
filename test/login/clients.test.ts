// The SDKs' own OAuth code through agentLogin(): from the URL of a server alone to a tool, and its refresh and disconnection.
import { decodeJwt } from 'jose'
import { textOf } from '../support/clients.ts'
import { type LoginApp, LoginBrowser, startLoginApp } from '../support/login-app.ts'
import { oauthClientV1, oauthClientV2 } from '../support/oauth-clients.ts'
import { type RunningServer, startSdkV1Server } from '../support/servers.ts'

let notes: RunningServer
let app: LoginApp
beforeAll(async () => {
  notes = await startSdkV1Server()
  app = await startLoginApp({
    servers: { notes: { url: notes.url, title: 'Notes' }, files: { url: notes.url } },
    login: { registration: true },
  })
})
afterAll(async () => {
  await app.close()
  await notes.close()
})

describe.each([
  ['SDK v1', oauthClientV1],
  ['SDK v2', oauthClientV2],
])('%s', (_, make) => {
  test('logs its user in, calls a tool, refreshes, and is out at once when it is disconnected', async () => {
    const browser = new LoginBrowser(app.origin)
    const client = make(app.url('notes'), (url) => browser.allow(url, 'ada'))
    await client.connect()
    expect(textOf(await client.call('echo', { text: 'hello' }))).toBe('hello')
    expect(client.logins).toHaveLength(1)
    const first = client.tokens()!
    expect(decodeJwt(first.access_token)).toMatchObject({
      iss: app.origin,
      sub: 'ada',
      aud: app.url('notes'),
      scope: 'mcp',
    })

    client.spoil()
    expect(textOf(await client.call('echo', { text: 'again' }))).toBe('again')
    expect(client.logins).toHaveLength(1)
    expect(client.tokens()!.refresh_token).not.toBe(first.refresh_token)

    const [agent, ...others] = await app.login.list('ada')
    expect(others).toEqual([])
    expect(agent).toMatchObject({
      client: { name: 'The tests', redirectHost: 'loopback' },
      servers: { notes: ['mcp'] },
    })
    await app.login.disconnect('ada', { grant: agent!.grant })
    expect(await app.login.list('ada')).toEqual([])
    await expect(client.call('echo', { text: 'after' })).rejects.toThrow(/invalid_grant|grant request is invalid/i)
    await client.close()
    await app.login.disconnect('ada')
    expect(app.reported).toEqual([])
  })
})
