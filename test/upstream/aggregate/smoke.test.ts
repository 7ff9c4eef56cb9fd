// A first look at an aggregate: real servers, real clients.
import { aggregate } from '../../../lib/index.ts'
import { connectSdkV1, connectSdkV2, textOf } from '../../support/clients.ts'
import { startGateway } from '../../support/gateway.ts'
import { startSdkV1Server, startSdkV2Server } from '../../support/servers.ts'
import { use, closeUsed } from '../../support/use.ts'

afterEach(closeUsed)

test.each([
  ['v1', connectSdkV1],
  ['v2', connectSdkV2],
] as const)('smoke %s', async (_n, connect) => {
  const one = await use(startSdkV1Server())
  const two = await use(startSdkV2Server())
  const gateway = await use(
    startGateway({
      servers: {
        desk: aggregate({ one: { url: one.url }, two: { url: two.url }, dead: { url: 'http://127.0.0.1:1/mcp' } }),
      },
    }),
  )
  const client = await use(connect(gateway.url('desk')))
  console.log(
    client.server,
    (await client.tools()).map((t) => t.name),
    gateway.reported.entries.map((e) => [e.error.message, e.context.server]),
  )
  console.log(
    textOf(await client.call('one__echo', { text: 'hi' })),
    textOf(await client.call('one__ask')),
    await client.call('two__ask').catch(String),
    await client.call('dead__x').catch(String),
    await client.call('nobody__x').catch(String),
  )
})
