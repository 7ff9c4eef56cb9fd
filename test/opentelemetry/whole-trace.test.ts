// One trace from a real client's span to the server's, through the gateway, with OpenTelemetry's own instrumentation at all
// three: over HTTP, through a bridge, at the end of a pipe, with interceptors and an event log in between.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createJournal } from '../support/journal.ts'
import type { Span } from '../support/traced-app.ts'

interface Answered {
  readonly isError: boolean
  readonly traceId: string
  readonly spanId: string
}

const spans = createJournal<Span>()
const answers = createJournal<Answered>()
let close: () => Promise<void>
let call: (told: { call: 'legacy' | 'modern'; mount: string; server: string }) => Promise<Answered>

beforeAll(async () => {
  const child = fork(join(import.meta.dirname, '..', 'fixtures', 'traced-world.mjs'), [], { execArgv: [] })
  const exited = once(child, 'exit')
  const ready = createJournal<boolean>()
  child.on('message', (said: { ready?: boolean; span?: Span; answered?: Answered }) => {
    if (said.ready) ready.record(true)
    if (said.span) spans.record(said.span)
    if (said.answered) answers.record(said.answered)
  })
  const early = exited.then(([code]) => Promise.reject(new Error(`The app exited with ${String(code)}`)))
  early.catch(() => {})
  await Promise.race([ready.next(), early])
  call = (told) => {
    child.send(told)
    return Promise.race([answers.next(), early])
  }
  close = async () => {
    child.send('close')
    expect(await exited).toEqual([0, null])
  }
})

/** The spans from one to the root of its trace, which is last. */
async function upwards(span: Span): Promise<Span[]> {
  if (span.parentId === undefined) return [span]
  const parent = await spans.next(({ spanId }) => spanId === span.parentId)
  return [span, ...(await upwards(parent))]
}

/** Spans of express are of its middleware, as many as the app has. */
const wordsOf = (chain: Span[]): string[] =>
  chain.filter(({ kind, name }) => kind !== 'INTERNAL' || name === 'agent').map(({ kind, name }) => `${kind} ${name}`)

const MCP = ['CLIENT tools/call test_simple_text', 'SERVER tools/call test_simple_text']
const toGateway = (mount: string) => [`SERVER POST /${mount}`, 'CLIENT POST', 'INTERNAL agent']

/** A bridge asks for the list of tools before. */
const isCall = ({ kind, name }: Span): boolean => kind === 'CLIENT' && name.startsWith('tools/call')

const traces: Answered[] = []

test.each([
  ['legacy', 'plain', 'http'],
  ['modern', 'plain', 'http'],
  ['legacy', 'plain', 'intercepted'],
  ['modern', 'plain', 'intercepted'],
  ['legacy', 'logged', 'http'],
  ['legacy', 'logged', 'intercepted'],
  ['legacy', 'plain', 'bridged'],
  ['legacy', 'logged', 'bridged'],
  ['modern', 'plain', 'old'],
] as const)('a %s client of /%s/%s is the root of what its server does', async (era, mount, server) => {
  const answered = await call({ call: era, mount, server })
  expect(answered.isError).toBe(false)
  traces.push(answered)
  const { traceId } = answered
  const sent = await spans.next((span) => span.traceId === traceId && isCall(span))
  const request = await spans.next((span) => span.parentId === sent.spanId)
  const served = await spans.next((span) => span.parentId === request.spanId)
  expect(wordsOf([served, request, sent, ...(await upwards(sent)).slice(1)])).toEqual([
    'SERVER POST /mcp',
    'CLIENT POST',
    ...MCP,
    ...toGateway(mount),
  ])
})

test.each([
  ['legacy', 'plain', 'inside'],
  ['modern', 'plain', 'inside'],
  ['legacy', 'logged', 'inside'],
  ['legacy', 'plain', 'child'],
  ['modern', 'plain', 'child'],
] as const)('a %s client of /%s/%s is the root of what is sent to its pipe', async (era, mount, server) => {
  const answered = await call({ call: era, mount, server })
  expect(answered.isError).toBe(false)
  traces.push(answered)
  const { traceId } = answered
  const sent = await spans.next((span) => span.traceId === traceId && isCall(span))
  expect(wordsOf(await upwards(sent))).toEqual([...MCP, ...toGateway(mount)])
  expect(sent.attributes?.['network.transport']).toBe('pipe')
})

test('no span of these traces is an orphan', async () => {
  await close()
  expect(traces).toHaveLength(14)
  for (const { traceId, spanId } of traces) {
    const own = spans.entries.filter((span) => span.traceId === traceId)
    const ids = new Set(own.map((span) => span.spanId))
    expect(own.filter((span) => span.spanId !== spanId && !ids.has(String(span.parentId)))).toEqual([])
    const calls = own.filter(({ name }) => name === 'tools/call test_simple_text')
    expect(calls.map(({ kind }) => kind).toSorted()).toEqual(['CLIENT', 'SERVER'])
  }
})
