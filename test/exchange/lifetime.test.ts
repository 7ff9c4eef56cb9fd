// How long something goes on: who is told of its end, in which order, and who ends along with it.
import { GatewayError } from '../../lib/errors.ts'
import { Lifetime } from '../../lib/exchange/lifetime.ts'

const closing = new GatewayError('closing', 'The gateway is closing')
const gone = new GatewayError('session_not_found', 'The session has ended')

/** Listeners that say their name and why they were called. */
function listen(life: Lifetime, log: string[], ...names: readonly string[]): (() => void)[] {
  return names.map((name) => life.onStop(({ code }) => void log.push(`${name}: ${code}`)))
}

describe('a lifetime that is stopped', () => {
  test('tells all its listeners why, the last one first', () => {
    const life = new Lifetime()
    const log: string[] = []
    listen(life, log, 'first', 'second', 'third')
    expect(life.stopped).toBeUndefined()
    life.stop(closing)
    expect(log).toEqual(['third: closing', 'second: closing', 'first: closing'])
    expect(life.stopped).toBe(closing)
  })

  test('is stopped once: the first reason stays, and no listener is called twice', () => {
    const life = new Lifetime()
    const log: string[] = []
    listen(life, log, 'one')
    life.stop(closing)
    life.stop(gone)
    expect([life.stopped, log]).toEqual([closing, ['one: closing']])
  })

  test('tells a listener that comes afterwards at once', () => {
    const life = new Lifetime()
    const log: string[] = []
    life.stop(closing)
    const [off] = listen(life, log, 'late')
    expect(log).toEqual(['late: closing'])
    off!()
  })

  test('is stopped already when its listeners are told, and a stop within a stop does nothing', () => {
    const life = new Lifetime()
    const log: string[] = []
    listen(life, log, 'outer')
    life.onStop(() => {
      log.push(`stopped: ${life.stopped?.code}`)
      life.stop(gone)
    })
    life.stop(closing)
    expect([life.stopped, log]).toEqual([closing, ['stopped: closing', 'outer: closing']])
  })

  test('tells at once, and once, a listener that comes while the others are told', () => {
    const life = new Lifetime()
    const log: string[] = []
    listen(life, log, 'outer')
    life.onStop(() => void listen(life, log, 'inner'))
    life.stop(closing)
    expect(log).toEqual(['inner: closing', 'outer: closing'])
  })
})

describe('a listener that was taken back', () => {
  test('is not told, and the others are', () => {
    const life = new Lifetime()
    const log: string[] = []
    const [, off] = listen(life, log, 'first', 'second', 'third')
    off!()
    off!()
    life.stop(closing)
    expect(log).toEqual(['third: closing', 'first: closing'])
  })

  test('is not told when another one takes it back during the stop', () => {
    const life = new Lifetime()
    const log: string[] = []
    const [off] = listen(life, log, 'first', 'second')
    life.onStop(() => off!())
    life.stop(closing)
    expect(log).toEqual(['second: closing'])
  })

  test('that was registered twice is called for the other registration', () => {
    const life = new Lifetime()
    const log: string[] = []
    const listener = (): void => void log.push('told')
    const off = life.onStop(listener)
    life.onStop(listener)
    off()
    life.stop(closing)
    expect(log).toEqual(['told'])
  })
})

describe('a child', () => {
  test('is stopped along with its parent, for the same reason', () => {
    const life = new Lifetime()
    const child = life.child()
    const grandchild = child.child()
    life.stop(closing)
    expect([child.stopped, grandchild.stopped]).toEqual([closing, closing])
  })

  test('can be stopped before its parent, which goes on', () => {
    const life = new Lifetime()
    const child = life.child()
    child.stop(gone)
    expect(life.stopped).toBeUndefined()
    life.stop(closing)
    expect(child.stopped).toBe(gone)
  })

  test('of a lifetime that was stopped is stopped', () => {
    const life = new Lifetime()
    life.stop(closing)
    expect(life.child().stopped).toBe(closing)
  })

  test('goes on without a client as its parent does', () => {
    expect([new Lifetime().child().isDetached, new Lifetime(true).child().isDetached]).toEqual([false, true])
  })

  test('is called in its turn: listeners registered after it run first', () => {
    const life = new Lifetime()
    const log: string[] = []
    listen(life, log, 'before')
    listen(life.child(), log, 'in the child')
    listen(life, log, 'after')
    life.stop(closing)
    expect(log).toEqual(['after: closing', 'in the child: closing', 'before: closing'])
  })
})

describe('a lifetime of its own', () => {
  test('goes on when the one it came from is stopped, and says that no client holds it', () => {
    const life = new Lifetime()
    const own = life.detach()
    life.stop(closing)
    expect([own.stopped, own.isDetached, life.isDetached]).toEqual([undefined, true, false])
  })

  test('is stopped along with one that has adopted it', () => {
    const [life, orphan] = [new Lifetime(), new Lifetime(true)]
    life.adopt(orphan)
    life.stop(closing)
    expect(orphan.stopped).toBe(closing)
  })

  test('continues when it was released before', () => {
    const [life, orphan] = [new Lifetime(), new Lifetime(true)]
    const letGo = life.adopt(orphan)
    letGo()
    life.stop(closing)
    expect(orphan.stopped).toBeUndefined()
  })

  test('can be adopted by one after the other: the last one holds it', () => {
    const [first, second, orphan] = [new Lifetime(), new Lifetime(), new Lifetime(true)]
    const letGo = first.adopt(orphan)
    letGo()
    second.adopt(orphan)
    first.stop(gone)
    expect(orphan.stopped).toBeUndefined()
    second.stop(closing)
    expect(orphan.stopped).toBe(closing)
  })

  test('is stopped at once by one that was stopped before it adopts', () => {
    const [life, orphan] = [new Lifetime(), new Lifetime(true)]
    life.stop(closing)
    life.adopt(orphan)
    expect(orphan.stopped).toBe(closing)
  })
})
