// A TCP relay that does to connections what networks do: cuts, stalls, resets and splits, at the byte a test names.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { createJournal, type Journal } from './journal.ts'

/** `down` is what the server says, `up` what the client says. */
export type Direction = 'down' | 'up'

export interface Fault {
  /** How many bytes of this direction pass before it. */
  readonly at: number
  /**
   * `end`: both sides see an orderly FIN. `reset`: both see the connection reset. `stall`: nothing more passes this
   * way, and whoever sends is not read. `split`: what follows comes as a segment of its own, nothing is lost.
   */
  readonly how: 'end' | 'reset' | 'stall' | 'split'
}

export type Plan = { readonly [direction in Direction]?: readonly Fault[] }

export interface Relayed {
  /** What has passed so far, in each direction. */
  readonly passed: Readonly<Record<Direction, Buffer>>
  /** Resolves when the fault that ends or stalls the connection has happened. */
  readonly faulted: Promise<Fault>
  /** Resolves when both sides are closed. */
  readonly closed: Promise<void>
  /** Breaks the connection now. */
  cut(how: 'end' | 'reset'): void
  /** Lets a stalled connection go on. */
  release(): void
}

export interface FaultProxy {
  readonly origin: string
  /** Every connection so far, in the order they came. */
  readonly connections: Journal<Relayed>
  /** What happens to the next connections, one plan for each; those without one are left alone. */
  plan(...plans: Plan[]): void
  /** Drops the plans that no connection has come for. */
  forget(): void
  /** Ends every open connection, so that what comes next makes one of its own. */
  end(): Promise<void>
  /** `refuse`: whoever connects is reset at once. */
  mode: 'relay' | 'refuse'
  close(): Promise<void>
}

/** Puts itself before whatever listens at `origin`. */
export async function startFaultProxy(origin: string): Promise<FaultProxy> {
  const { hostname, port } = new URL(origin)
  const connections = createJournal<Relayed>()
  const plans: Plan[] = []
  const open = new Set<Relayed>()
  // Half-open connections are kept as they are: an end passes like bytes do.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    if (proxy.mode === 'refuse') return void client.on('error', () => {}).resetAndDestroy()
    const upstream = connect({ host: hostname, port: Number(port), allowHalfOpen: true, noDelay: true })
    const relayed = relayConnection(client, upstream, plans.shift() ?? {})
    open.add(relayed)
    void relayed.closed.then(() => open.delete(relayed))
    connections.record(relayed)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const proxy: FaultProxy = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections,
    plan: (...more) => void plans.push(...more),
    forget: () => void plans.splice(0),
    async end() {
      const ended = [...open].map(({ closed }) => closed)
      for (const relayed of open) relayed.cut('end')
      await Promise.all(ended)
    },
    mode: 'relay',
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const relayed of open) relayed.cut('reset')
      }),
  }
  return proxy
}

function relayConnection(client: Socket, upstream: Socket, plan: Plan): Relayed {
  const passed = { down: [] as Buffer[], up: [] as Buffer[] }
  let tellFault: (fault: Fault) => void
  const faulted = new Promise<Fault>((resolve) => (tellFault = resolve))
  const releases: Array<() => void> = []
  let isCut = false

  function cut(how: 'end' | 'reset'): void {
    isCut = true
    for (const socket of [client, upstream]) {
      if (how === 'reset') socket.resetAndDestroy()
      // What was written before goes out before the FIN does.
      else socket.destroySoon()
    }
  }

  function pump(from: Socket, to: Socket, direction: Direction): void {
    const faults = [...(plan[direction] ?? [])].toSorted((a, b) => a.at - b.at)
    let count = 0

    async function pass(chunk: Buffer): Promise<void> {
      count += chunk.length
      passed[direction].push(chunk)
      if (!to.destroyed) await new Promise<void>((resolve) => void to.write(chunk, () => resolve()))
    }

    async function take(chunk: Buffer): Promise<void> {
      let rest = chunk
      while (faults[0] !== undefined && faults[0].at <= count + rest.length) {
        const fault = faults.shift()!
        const before = rest.subarray(0, fault.at - count)
        rest = rest.subarray(before.length)
        if (before.length > 0) await pass(before)
        if (fault.how !== 'split') tellFault(fault)
        if (fault.how === 'end' || fault.how === 'reset') return cut(fault.how)
        if (fault.how === 'stall') await new Promise<void>((resolve) => releases.push(resolve))
        // A turn of the event loop each for kernel and reader: what comes next is read by itself.
        else for (let turn = 0; turn < 2; turn += 1) await new Promise((resolve) => setImmediate(resolve))
      }
      if (rest.length > 0) await pass(rest)
    }

    async function run(): Promise<void> {
      if (faults[0]?.at === 0) await take(Buffer.alloc(0))
      for await (const chunk of from) await take(chunk as Buffer)
      to.end()
    }
    // A side that breaks takes the other one along.
    run().catch(() => {
      if (!isCut) to.resetAndDestroy()
    })
  }

  const closed = Promise.all([client, upstream].map((socket) => closing(socket))).then(() => {})
  for (const socket of [client, upstream]) socket.on('error', () => {})
  pump(client, upstream, 'up')
  pump(upstream, client, 'down')
  return {
    get passed() {
      return { down: Buffer.concat(passed.down), up: Buffer.concat(passed.up) }
    },
    faulted,
    closed,
    cut,
    release: () => {
      for (const release of releases.splice(0)) release()
    },
  }
}

function closing(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('close', () => resolve())
  })
}
