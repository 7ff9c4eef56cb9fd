// The lines for a shell, run by one, against a server of each era.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { curlLines } from '../../lib/directory/curl.ts'
import { startDualEraServer } from '../fixtures/dual-era-server.mjs'
import { startGateway } from '../support/gateway.ts'
import { closeUsed, use } from '../support/use.ts'

afterEach(closeUsed)

const run = promisify(execFile)

test.each([
  ['legacy', { modern: false }],
  ['modern', { legacy: 'reject' }],
] as const)('a %s server answers them', async (era, eras) => {
  const server = await use(startDualEraServer(eras))
  const gateway = await use(startGateway({ servers: { one: { url: server.url } } }))
  const url = gateway.url('one')
  const inputSchema = { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': 'Region' } } }
  const params = { name: 'test_x_mcp_header', arguments: { region: `it's "$HOME" – \\ \`date\`` } }
  const lines = curlLines({ url, era, clientHeaders: { 'X-Key': "it's" }, method: 'tools/call', params, inputSchema })
  const { stdout } = await run('sh', ['-c', lines])
  expect(stdout).toContain(JSON.stringify(`region=${params.arguments.region}`))
})
