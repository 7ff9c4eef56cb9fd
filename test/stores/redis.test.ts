// How commands reach Redis through clients of different shapes, and what happens when they fail.
import { setImmediate as turn } from 'node:timers/promises'
import { keyBeside, RedisCommands, type RedisClient } from '../../lib/stores/redis.ts'

const { jest } = import.meta

const commandsOf = (client: object, timeoutMs = 1_000): RedisCommands =>
  new RedisCommands(client as RedisClient, timeoutMs, 'client', 'Store')

test.each([
  ['call(), as ioredis has', 'call', {}, ['GET', 'key']],
  ['sendCommand(), as a client and a pool of redis have', 'sendCommand', {}, [['GET', 'key']]],
  ['sendCommand() of a cluster of redis', 'sendCommand', { masters: [] }, ['key', false, ['GET', 'key']]],
  ['sendCommand() of a sentinel of redis', 'sendCommand', { acquire: () => {} }, [false, ['GET', 'key']]],
])('a command is sent with %s', async (_, method, shape, expected) => {
  const send = jest.fn(() => Promise.resolve('reply'))
  expect(await commandsOf({ ...shape, [method]: send }).send('key', ['GET', 'key'])).toBe('reply')
  expect(send.mock.calls).toEqual([expected])
})

test('a script says how many keys it has, and goes where the first one is', async () => {
  const sendCommand = jest.fn(() => Promise.resolve(1))
  await commandsOf({ masters: [], sendCommand }).eval('return 1', ['{a}b', '{a}c'], 'argument')
  expect(sendCommand.mock.calls).toEqual([['{a}b', false, ['EVAL', 'return 1', '2', '{a}b', '{a}c', 'argument']]])
})

test.each(['TRYAGAIN Multiple keys request during rehashing of slot', 'CLUSTERDOWN The cluster is down'])(
  'what a changing cluster has not done is tried again until its time is over: %s',
  async (message) => {
    const call = jest.fn((): Promise<unknown> => Promise.reject(new Error(message)))
    call.mockImplementationOnce(() => Promise.reject(new Error(message)))
    call.mockImplementationOnce(() => Promise.resolve('reply'))
    expect(await commandsOf({ call }).send('key', ['GET', 'key'])).toBe('reply')
    expect(call).toHaveBeenCalledTimes(2)
    await expect(commandsOf({ call }, 120).send('key', ['GET', 'key'])).rejects.toThrow(message)
    expect(call.mock.calls.length).toBeGreaterThan(3)
  },
)

test('any other error is told at once, since the command may have been carried out', async () => {
  const call = jest.fn(() => Promise.reject(new Error('Socket closed')))
  await expect(commandsOf({ call }).send('key', ['DEL', 'key'])).rejects.toThrow('Socket closed')
  expect(call).toHaveBeenCalledTimes(1)
})

test('a cluster client of redis is made to ask another node where the key is, once for all that fail', async () => {
  let answer: (value: unknown) => void = () => {}
  const sendCommand = jest.fn((firstKey: string | undefined) =>
    firstKey === undefined
      ? new Promise((resolve) => (answer = resolve))
      : Promise.reject(new Error('connect ECONNREFUSED')),
  )
  const commands = commandsOf({ masters: [], sendCommand })
  const fail = async (count: number): Promise<void> => {
    const sent = Array.from({ length: count }, () => commands.send('key', ['GET', 'key']))
    for (const { status } of await Promise.allSettled(sent)) expect(status).toBe('rejected')
  }
  const asked = (): unknown[][] => sendCommand.mock.calls.filter(([firstKey]) => firstKey === undefined)
  await fail(3)
  expect(asked()).toEqual([[undefined, false, ['EXISTS', 'key']]])
  answer(0)
  await turn()
  await fail(1)
  expect(asked()).toHaveLength(2)
})

test.each([
  ['a:b', '{a:b}:x'],
  ['{a}:b', '{a}:b:x'],
  ['a:{b}', 'a:{b}:x'],
])('the key beside %s is %s', (key, beside) => {
  expect(keyBeside(key, 'x')).toBe(beside)
})
