// A keyed mutex: tasks of one key in turn, tasks of different keys side by side.
import { KeyedMutex } from '../../lib/util/keyed-mutex.ts'

/** A task that says when it begins, and goes on until it is told to end. */
function makeTask(log: string[], name: string) {
  let finish: (outcome?: Error) => void
  const finished = new Promise<string>((resolve, reject) => {
    finish = (error) => (error ? reject(error) : resolve(name))
  })
  return {
    run: async (): Promise<string> => {
      log.push(`${name} begins`)
      try {
        return await finished
      } finally {
        log.push(`${name} ends`)
      }
    },
    finish: (error?: Error) => finish(error),
  }
}

const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve)
  })

test('tasks of one key run one after the other, in the order they came', async () => {
  const mutex = new KeyedMutex()
  const log: string[] = []
  const tasks = ['a', 'b', 'c'].map((name) => makeTask(log, name))
  const runs = tasks.map(({ run }) => mutex.run('key', run))
  for (const { finish } of tasks.toReversed()) finish()
  expect(await Promise.all(runs)).toEqual(['a', 'b', 'c'])
  expect(log).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
})

test('a task that comes while one waits takes its place behind it', async () => {
  const mutex = new KeyedMutex()
  const log: string[] = []
  const [first, second, third] = ['a', 'b', 'c'].map((name) => makeTask(log, name)) as [
    ReturnType<typeof makeTask>,
    ReturnType<typeof makeTask>,
    ReturnType<typeof makeTask>,
  ]
  const runs = [mutex.run('key', first.run), mutex.run('key', second.run)]
  first.finish()
  await runs[0]
  runs.push(mutex.run('key', third.run))
  await turn()
  expect(log).toEqual(['a begins', 'a ends', 'b begins'])
  second.finish()
  third.finish()
  await Promise.all(runs)
  expect(log.at(-1)).toBe('c ends')
})

test('tasks of different keys run side by side', async () => {
  const mutex = new KeyedMutex()
  const log: string[] = []
  const [one, other] = [makeTask(log, 'one'), makeTask(log, 'other')]
  const runs = [mutex.run('a', one.run), mutex.run('b', other.run)]
  await turn()
  expect(log).toEqual(['one begins', 'other begins'])
  one.finish()
  other.finish()
  await Promise.all(runs)
})

test('a task that fails rejects its own run alone, and the next one has its turn', async () => {
  const mutex = new KeyedMutex()
  const log: string[] = []
  const [one, other] = [makeTask(log, 'one'), makeTask(log, 'other')]
  const runs = [mutex.run('key', one.run), mutex.run('key', other.run)]
  one.finish(new Error('broken'))
  other.finish()
  expect(await Promise.allSettled(runs)).toEqual([
    { status: 'rejected', reason: new Error('broken') },
    { status: 'fulfilled', value: 'other' },
  ])
})
