// Two gateways in processes of their own behind a round-robin TCP balancer.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect as connectTcp, createServer, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'

const NODE = join(import.meta.dirname, '..', 'fixtures', 'node.mjs')

export interface Node {
  readonly port: number
  /** What it gave to onError. */
  readonly errors: readonly string[]
  /** An orderly end. */
  close(): Promise<void>
  /** SIGKILL. */
  kill(): Promise<void>
}

export async function startNode(config: object): Promise<Node> {
  const child: ChildProcess = fork(NODE, [JSON.stringify(config)], { execArgv: [] })
  const exited = once(child, 'exit')
  const errors: string[] = []
  child.on('message', (message: { error?: string }) => {
    if (message.error !== undefined) errors.push(message.error)
  })
  const early = exited.then(([code]) => Promise.reject(new Error(`The node exited with ${String(code)}`)))
  const [{ port }] = (await Promise.race([once(child, 'message'), early])) as [{ port: number }]
  early.catch(() => {})
  return {
    port,
    errors,
    async close() {
      child.send('close')
      expect(await exited).toEqual([0, null])
    },
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

export interface Balancer {
  readonly origin: string
  /** Who gets connections, in turn; one that does not take them is passed over. */
  readonly ports: number[]
  /** How many connections each port was given. */
  readonly given: Map<number, number>
  close(): Promise<void>
}

async function startBalancer(): Promise<Balancer> {
  const ports: number[] = []
  const given = new Map<number, number>()
  const sockets = new Set<Socket>()
  let turn = 0

  function bridge(client: Socket, attempts: number): void {
    const port = ports[(turn += 1) % ports.length]
    if (port === undefined || attempts === 0) return void client.destroy()
    const node = connectTcp(port, '127.0.0.1')
    const refused = (): void => bridge(client, attempts - 1)
    node.once('error', refused)
    node.once('connect', () => {
      node.off('error', refused)
      given.set(port, (given.get(port) ?? 0) + 1)
      for (const [one, other] of [
        [client, node],
        [node, client],
      ] as const) {
        sockets.add(one)
        one.on('error', () => {})
        one.once('close', () => {
          sockets.delete(one)
          other.destroy()
        })
        one.pipe(other)
      }
    })
  }

  const server = createServer((client) => {
    client.on('error', () => {})
    bridge(client, ports.length)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ports,
    given,
    async close() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/** Two nodes, each reached by itself and both through the balancer. */
export interface Cluster {
  readonly nodes: Node[]
  readonly balancer: Balancer
  url(server: string, node?: number): string
  /** Puts another one in the place of a node, which ends in order or is killed. */
  restart(node: number, how: 'close' | 'kill'): Promise<void>
  /** Has the balancer pass new connections to these nodes alone. */
  route(...nodes: number[]): void
  close(): Promise<void>
}

export async function startCluster(config: object): Promise<Cluster> {
  const balancer = await startBalancer()
  const nodes = await Promise.all([startNode(config), startNode(config)])
  balancer.ports.push(...nodes.map(({ port }) => port))
  const route = (...to: number[]): void => void balancer.ports.splice(0, 2, ...to.map((node) => nodes[node]!.port))
  return {
    nodes,
    balancer,
    route,
    url: (server, node) =>
      `${node === undefined ? balancer.origin : `http://127.0.0.1:${nodes[node]!.port}`}/${server}/mcp`,
    async restart(node, how) {
      // A balancer is told before a node ends in order, and finds out by itself when one is killed.
      if (how === 'close') route(1 - node)
      await nodes[node]![how]()
      // An SDK client tries twice, 2.5 s after it was cut off at the latest: no time for a process to start in.
      route(1 - node)
      nodes[node] = await startNode(config)
      route(0, 1)
    },
    async close() {
      await balancer.close()
      await Promise.all(nodes.map(({ kill }) => kill()))
    },
  }
}
