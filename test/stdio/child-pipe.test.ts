// What is sent to a child process: at once while it owes nothing, else together with the rest of the turn.
import { once } from 'node:events'
import { Socket } from 'node:net'
import { jest } from '@jest/globals'
import { ChildPipe } from '../../lib/stdio/child-pipe.ts'
import { closeUsed, use } from '../support/use.ts'

const ECHO = 'process.stdin.pipe(process.stdout)'

afterEach(closeUsed)
afterEach(() => void jest.restoreAllMocks())

async function echoing(): Promise<{ pipe: ChildPipe; received: string[]; until: (count: number) => Promise<void> }> {
  const pipe = ChildPipe.spawn({
    command: process.execPath,
    args: ['-e', ECHO],
    env: {},
    cwd: undefined,
    maxMessageBytes: 1_000_000,
    onStderr: undefined,
  })
  await use({ close: () => pipe.close(300) })
  const received: string[] = []
  const arrived = new EventTarget()
  pipe.onMessage = (message) => {
    received.push(message)
    arrived.dispatchEvent(new Event('message'))
  }
  const until = async (count: number): Promise<void> => {
    while (received.length < count) await once(arrived, 'message')
  }
  return { pipe, received, until }
}

test('a message to a process that owes nothing is written at once, those behind it in one write', async () => {
  const { pipe, received, until } = await echoing()
  const single = jest.spyOn(Socket.prototype, '_write')
  const joint = jest.spyOn(Socket.prototype as { _writev: (...args: unknown[]) => void }, '_writev')
  for (const turn of [0, 5]) {
    pipe.send(`${turn + 1}`)
    expect(single).toHaveBeenCalledTimes(1)
    for (const more of [2, 3, 4, 5]) pipe.send(`${turn + more}`)
    expect(joint).not.toHaveBeenCalled()
    await until(turn + 5)
    expect(single).toHaveBeenCalledTimes(1)
    expect(joint).toHaveBeenCalledTimes(1)
    single.mockClear()
    joint.mockClear()
  }
  expect(received).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9', '10'])
})

test('what is gathered is written when the pipe closes in the same turn', async () => {
  const { pipe, received } = await echoing()
  const written = jest.spyOn(Socket.prototype as { _writev: (...args: unknown[]) => void }, '_writev')
  for (const message of ['1', '2', '3']) pipe.send(message)
  await pipe.close(300)
  expect(written.mock.calls.flatMap(([chunks]) => chunks)).toHaveLength(2)
  expect(received).toEqual([])
})

test('a pipe says that it is full also while it gathers', async () => {
  const { pipe, until } = await echoing()
  pipe.send('1')
  const drained = new Promise<void>((resolve) => (pipe.onDrain = resolve))
  expect(pipe.send('x'.repeat(100_000))).toBe(false)
  await drained
  await until(2)
})
