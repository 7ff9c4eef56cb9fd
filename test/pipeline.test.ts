// The pipeline: which layers an exchange passes, by the door it enters and the shape of its server's config.
import type { Exchange } from '../lib/exchange/exchange.ts'
import type { Layer } from '../lib/exchange/layer.ts'
import type { Handle, Reply } from '../lib/exchange/reply.ts'
import { AskToConnect } from '../lib/layers/ask-to-connect/ask-to-connect.ts'
import { Authorize } from '../lib/layers/authorize.ts'
import { Bridge } from '../lib/layers/bridge/bridge.ts'
import { Cache } from '../lib/layers/cache/cache.ts'
import { CancelOnStop } from '../lib/layers/cancel-on-stop.ts'
import { EventLogLayer } from '../lib/layers/event-log/event-log-layer.ts'
import { Interceptors } from '../lib/layers/interceptors/interceptors.ts'
import { OpenSession } from '../lib/layers/open-session.ts'
import { RecoverSession } from '../lib/layers/recover-session.ts'
import { ResumeUpstream } from '../lib/layers/resume-upstream.ts'
import { SplitBatch } from '../lib/layers/split-batch.ts'
import { parseOptions } from '../lib/options.ts'
import { createGatewayParts, type Door, Pipeline } from '../lib/pipeline.ts'
import { MemoryEventLog } from '../lib/stores/memory-event-log.ts'
import type { GatewayOptions, HttpServer, ServerConfig } from '../lib/types.ts'
import { HttpUpstreams } from '../lib/upstream/http/http-upstream.ts'
import { type Fixture, fixture, LAYERS, type LayerName, legacyCall, modernCall } from './support/fixture.ts'
import { MemoryUpstream } from './support/memory-upstream.ts'

const { jest } = import.meta

const DOORS: readonly Door[] = ['client', 'gateway', 'member', 'farewell']
const URL = 'http://memory.test/mcp'

/** A layer that writes its name down when an exchange passes. */
function layerOf(name: string, passed: string[], applies: (config: ServerConfig) => boolean = () => true): Layer {
  return {
    name,
    applies,
    handle(exchange, next) {
      passed.push(name)
      return next(exchange)
    },
  }
}

describe('a pipeline', () => {
  let maker: Fixture
  let upstream: MemoryUpstream
  let passed: string[]

  beforeEach(() => {
    maker = fixture({ layers: [] })
    upstream = maker.upstream
    passed = []
  })
  afterEach(() => maker.close())

  const exchangeOf = (config: ServerConfig = { url: URL }): Exchange => maker.exchange(modernCall(), { config })

  test.each<[Door, string[]]>([
    ['client', ['at client', 'at gateway', 'at member', 'at farewell']],
    ['gateway', ['at gateway', 'at member', 'at farewell']],
    ['member', ['at member', 'at farewell']],
    ['farewell', ['at farewell']],
  ])('lets what enters by the door "%s" pass the layers behind that door alone, in order', async (door, expected) => {
    const places = DOORS.map((place) => [place, layerOf(`at ${place}`, passed)] as const)
    const pipeline = new Pipeline(places, () => upstream)
    await pipeline.handleOf({ url: URL }, door)(exchangeOf())
    expect(passed).toEqual(expected)
    expect(upstream.told).toEqual(['tools/list'])
  })

  test('leaves out the layers that do not apply to a config', async () => {
    const places = [
      ['client', layerOf('always', passed)],
      ['client', layerOf('recover', passed, (config) => 'recover' in config && config.recover === true)],
      ['farewell', layerOf('scopes', passed, ({ scopes }) => scopes !== undefined)],
    ] as const
    const pipeline = new Pipeline(places, () => upstream)
    const seen: string[][] = []
    for (const config of [{ url: URL }, { url: URL, recover: true }, { url: URL, recover: true, scopes: {} }]) {
      await pipeline.handleOf(config, 'client')(exchangeOf(config))
      seen.push(passed.splice(0))
    }
    expect(seen).toEqual([['always'], ['always', 'recover'], ['always', 'recover', 'scopes']])
  })

  test('makes one chain for each shape of a config, whatever object says it', () => {
    const places = [
      ['client', layerOf('recover', passed, (config) => 'recover' in config && config.recover === true)],
      ['client', layerOf('scopes', passed, ({ scopes }) => scopes !== undefined)],
    ] as const
    const pipeline = new Pipeline(places, () => upstream)
    const chainOf = (config: Partial<ServerConfig>): Handle => pipeline.handleOf({ url: URL, ...config }, 'client')
    expect(chainOf({ recover: true })).toBe(chainOf({ recover: true, url: 'http://elsewhere.test', title: 'Another' }))
    const shapes = [{}, { recover: true }, { scopes: {} }, { recover: true, scopes: {} }]
    expect(new Set(shapes.map(chainOf)).size).toBe(4)
  })

  test('makes one chain for two doors between which nothing stands', () => {
    const pipeline = new Pipeline([['farewell', layerOf('last', passed)]], () => upstream)
    expect(new Set(DOORS.map((door) => pipeline.handleOf({ url: URL }, door))).size).toBe(1)
  })

  test('sends each exchange to the upstream of its own config, though the chain is the same', async () => {
    const others = new Map([1, 2].map((port) => [`http://127.0.0.1:${port}`, new MemoryUpstream()]))
    const upstreamOf = (_: string, config: ServerConfig): MemoryUpstream =>
      others.get(String((config as HttpServer).url))!
    const pipeline = new Pipeline([], upstreamOf)
    for (const url of others.keys()) await pipeline.handleOf({ url }, 'client')(exchangeOf({ url }))
    expect([...others.values()].map(({ told }) => told)).toEqual([['tools/list'], ['tools/list']])
  })

  test('asks for the upstream by the last name of the path, which is the member of an aggregate', async () => {
    const names: string[] = []
    const pipeline = new Pipeline([], (name) => {
      names.push(name)
      return upstream
    })
    await pipeline.handleOf({ url: URL }, 'member')(exchangeOf().fork({ path: ['all', 'weather'] }))
    expect(names).toEqual(['weather'])
  })

  test('hands on what its layers throw and answer, and adds nothing', async () => {
    const reply: Reply = { kind: 'empty', status: 202, headers: {} }
    const answering: Layer = { name: 'answering', applies: () => true, handle: () => Promise.resolve(reply) }
    const pipeline = new Pipeline(
      [
        ['client', layerOf('outer', passed)],
        ['client', answering],
      ],
      () => upstream,
    )
    await expect(pipeline.handleOf({ url: URL }, 'client')(exchangeOf())).resolves.toBe(reply)
    expect(upstream.told).toEqual([])
  })
})

describe("the gateway's own pipeline", () => {
  const CLASSES = {
    OpenSession,
    AskToConnect,
    EventLogLayer,
    SplitBatch,
    Bridge,
    Cache,
    Interceptors,
    RecoverSession,
    ResumeUpstream,
    CancelOnStop,
  }
  let maker: Fixture
  let passed: string[]
  let upstream: MemoryUpstream

  beforeEach(() => {
    maker = fixture({ layers: [] })
    passed = []
    upstream = new MemoryUpstream()
    jest.spyOn(HttpUpstreams.prototype, 'of').mockReturnValue(upstream as never)
    for (const { prototype } of [...Object.values(CLASSES), Authorize]) {
      const { handle } = prototype as Layer
      jest.spyOn(prototype as Layer, 'handle').mockImplementation(function (this: Layer, exchange, next) {
        passed.push(this.name)
        return handle.call(this, exchange, next)
      })
    }
  })
  afterEach(async () => {
    jest.restoreAllMocks()
    await maker.close()
  })

  /** The layers that an exchange passes on its way to the server, outermost first. */
  async function way(config: ServerConfig, door: Door, options: Partial<GatewayOptions> = {}): Promise<string[]> {
    const parts = createGatewayParts(
      parseOptions({ servers: { weather: config }, authenticate: () => undefined, ...options }),
    )
    const principal = { id: 'ada', scopes: [] }
    const asking = fixture({ layers: [], principal })
    const sent = asking.exchange(legacyCall(), { config, session: await asking.session() })
    upstream.sessions.add('s1')
    await parts.pipeline.handleOf(config, door)(sent)
    await parts.sessions.close()
    await parts.eventLog?.close()
    await parts.upstreams.close()
    await asking.close()
    return passed.splice(0)
  }

  const ALL = { events: new MemoryEventLog(), cache: true }
  const FULL: ServerConfig = { url: URL, recover: true, scopes: {} }
  const ORDER = ['openSession', 'eventLog', 'authorize:said', 'splitBatch', 'authorize:sent']
  const INNER = ['bridge', 'cache', 'recoverSession', 'resumeUpstream', 'cancelOnStop']

  test('has its layers in one order, the log above recovery and cancelling innermost', async () => {
    await expect(way(FULL, 'client', ALL)).resolves.toEqual([...ORDER, ...INNER])
  })

  test('has the interceptors of the gateway around those of the server, between the two checks of scopes', async () => {
    const pass = { '*': (_: unknown, next: () => never) => next() }
    const intercepted = { ...FULL, intercept: pass } as ServerConfig
    await expect(way(intercepted, 'client', { ...ALL, intercept: pass })).resolves.toEqual([
      ...ORDER.slice(0, 4),
      'interceptors:gateway',
      'interceptors:server',
      'authorize:sent',
      ...INNER,
    ])
    await expect(way(intercepted, 'member', { ...ALL, intercept: pass })).resolves.toEqual([
      'interceptors:server',
      'authorize:sent',
      ...INNER,
    ])
    await expect(way(intercepted, 'farewell', { ...ALL, intercept: pass })).resolves.toEqual(INNER)
  })

  test('asks for connections between the interceptors and the bridge, where a function makes the headers', async () => {
    const connected = { ...FULL, headers: () => ({}) }
    const inside = ['askToConnect', ...INNER]
    await expect(way(connected, 'client', ALL)).resolves.toEqual([...ORDER, ...inside])
    await expect(way(connected, 'member', ALL)).resolves.toEqual(['authorize:sent', ...inside])
    await expect(way(connected, 'farewell', ALL)).resolves.toEqual(INNER)
  })

  test('asks no session and no log for what the gateway itself asks, but judges it', async () => {
    await expect(way(FULL, 'gateway', ALL)).resolves.toEqual([...ORDER.slice(2), ...INNER])
  })

  test('judges what an aggregate sends to a member by what is sent', async () => {
    await expect(way(FULL, 'member', ALL)).resolves.toEqual([...ORDER.slice(4), ...INNER])
  })

  test('judges no farewell: the session of a principal whose rights are gone is ended, too', async () => {
    await expect(way(FULL, 'farewell', ALL)).resolves.toEqual(INNER)
  })

  test('has no cache and no log unless they are asked for, and no recovery, judge or bridge where a server needs none', async () => {
    await expect(way({ url: URL, bridge: false }, 'client')).resolves.toEqual([
      'openSession',
      'resumeUpstream',
      'cancelOnStop',
    ])
  })

  test('is the one that the fixture of these tests builds', async () => {
    const names = Object.keys(LAYERS) as LayerName[]
    const built = fixture({ config: { scopes: {} }, principal: { id: 'ada', scopes: [] } })
    for (const door of DOORS) {
      const client = built.send(legacyCall(), { session: await built.session(), door })
      await client.over
      const own = passed.splice(0)
      await expect(way(FULL, door, ALL)).resolves.toEqual(own)
    }
    expect(names.map((name) => built.layers[name].name)).toHaveLength(13)
    await built.close()
  })
})
