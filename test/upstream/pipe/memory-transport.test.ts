// The transport of a server in this process: what crosses is JSON, and a gateway that takes nothing holds the server up.
import { MemoryTransport } from '../../../lib/upstream/pipe/memory-transport.ts'

function connected(): { transport: MemoryTransport; got: string[] } {
  const transport = new MemoryTransport()
  const got: string[] = []
  transport.onMessage = (text) => void got.push(text)
  return { transport, got }
}

test('a server that says something while the gateway pauses waits, in order', async () => {
  const { transport, got } = connected()
  transport.pause()
  const told: number[] = []
  const saying = [1, 2].map((id) => transport.send({ id }).then(() => told.push(id)))
  await new Promise(setImmediate)
  expect([got, told]).toEqual([[], []])
  transport.resume()
  await Promise.all(saying)
  expect([got, told]).toEqual([
    ['{"id":1}', '{"id":2}'],
    [1, 2],
  ])
})

test.each([
  ['in number', 1_000, 1],
  ['in characters', 4, 1024 * 1024 - 20],
])('what waits is bounded %s', async (_what, most, length) => {
  const { transport } = connected()
  transport.pause()
  for (let count = 0; count < most; count += 1) void transport.send({ x: 'x'.repeat(length) })
  await expect(transport.send({ x: 'x'.repeat(length) })).rejects.toThrow('does not keep up')
})

test('what comes before the server is ready waits for it; the pipe is full meanwhile', async () => {
  const { transport } = connected()
  let drains = 0
  transport.onDrain = () => (drains += 1)
  expect(transport.send('{"id":1}')).toBe(false)
  const said: unknown[] = []
  transport.onmessage = (message) => void said.push(message)
  await transport.start()
  expect(said).toEqual([{ id: 1 }])
  expect(drains).toBe(1)
  expect(transport.send('{"id":2}')).toBe(true)
})

test('what a listener throws is told to its server, and ends nothing', async () => {
  const { transport } = connected()
  const faults: string[] = []
  transport.onerror = ({ message }) => void faults.push(message)
  transport.onmessage = () => {
    throw new Error('no')
  }
  await transport.start()
  expect(transport.send('{}')).toBe(true)
  expect(faults).toEqual(['no'])
})

test('closing tells both sides once, and lets those go who wait', async () => {
  const { transport } = connected()
  let ends = 0
  transport.onClose = () => (ends += 1)
  transport.onclose = () => (ends += 1)
  transport.pause()
  const saying = transport.send({})
  await transport.close()
  await transport.close()
  await saying
  expect(ends).toBe(2)
  await expect(transport.send({})).rejects.toThrow('closed')
})
