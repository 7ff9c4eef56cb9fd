// A server whose URL leads back to its own gateway: told by `Via`, at once or by way of others. (RFC 9110, 7.6.3)
import { type RunningGateway, startGateway } from '../../support/gateway.ts'
import { modernRequest, postModern } from '../../support/modern.ts'
import { initialize, initializeMessage, post } from '../../support/rpc.ts'
import { startUpstream } from '../../support/upstream.ts'
import { closeUsed, use } from '../../support/use.ts'

afterEach(closeUsed)

async function gatewayTo(urls: Readonly<Record<string, string>>): Promise<RunningGateway> {
  const servers = (name: string): { url: string } | undefined => (urls[name] ? { url: urls[name] } : undefined)
  return use(startGateway({ servers }))
}

test('a server that is its own gateway is refused, whichever era asks', async () => {
  const urls: Record<string, string> = {}
  const gateway = await gatewayTo(urls)
  urls['here'] = gateway.url('here')
  expect(await post(gateway.url('here'), initializeMessage())).toMatchObject({
    status: 508,
    message: { error: { code: 508, message: expect.stringContaining('leads back to this gateway') } },
  })
  expect((await postModern(gateway.url('here'), modernRequest('tools/list'))).status).toBe(508)
})

test('so is one that is another gateway, whose server is this one', async () => {
  const urls: Record<string, string> = {}
  const here = await gatewayTo(urls)
  const there = await gatewayTo({ back: here.url('out') })
  urls['out'] = there.url('back')
  expect((await post(here.url('out'), initializeMessage())).status).toBe(508)
})

test('a chain of gateways ends at its server, which is told of these and of no other proxies', async () => {
  const upstream = await use(startUpstream())
  const inner = await gatewayTo({ crm: upstream.url })
  const outer = await gatewayTo({ inner: inner.url('crm') })
  await initialize(outer.url('inner'), { headers: { via: '1.1 squid, 1.1 corporate' } })
  const { via } = (await upstream.nextRequest('initialize')).headers
  expect(via).toMatch(/^1\.1 express-mcp-gateway-[\w-]{12}, 1\.1 express-mcp-gateway-[\w-]{12}$/)
})

test('the names that a client makes up are passed on up to eight', async () => {
  const upstream = await use(startUpstream())
  const gateway = await gatewayTo({ crm: upstream.url })
  const forged = Array.from({ length: 50 }, () => '1.1 express-mcp-gateway-AAAAAAAAAAAA').join(', ')
  await post(gateway.url('crm'), initializeMessage(), { via: forged })
  const exchange = await upstream.nextRequest()
  expect(exchange.headers.via?.split(', ')).toHaveLength(9)
})
