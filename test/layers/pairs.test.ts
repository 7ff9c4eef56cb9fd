// Every pair of layers under every fault, with nothing else in the chain: each cell is compared with the rules in words.
import type { Message } from '../../lib/exchange/message.ts'
import type { AuditRecord, Interceptor } from '../../lib/types.ts'
import { type Fixture, fixture, handshake, legacyCall, modernCall, PROGRESS, settled } from '../support/fixture.ts'
import type { MemoryClient } from '../support/memory-client.ts'
import type { Asked, MemoryStream } from '../support/memory-upstream.ts'
import {
  expectedOf,
  type Fault,
  FAULTS,
  type MessageName,
  MESSAGES,
  type Outcome,
  PAIRED,
  type Paired,
} from './pairs-oracle.ts'

/** What the server says when all is well. */
const RESULTS: Readonly<Record<string, object>> = {
  initialize: { protocolVersion: '2025-11-25', capabilities: {} },
  'tools/list': { resultType: 'complete', ttlMs: 60_000, cacheScope: 'public', tools: [] },
  'tools/call': { content: [] },
}

/** Sees every message, in both directions, and changes none. */
const PASS: Interceptor = { '*': (_, next) => next() }

const USUAL = (asked: Asked): void => asked.json(RESULTS[asked.kind]!)

const pairs = PAIRED.flatMap((one, at) => PAIRED.slice(at + 1).map((other) => [one, other] as const))
const faults = Object.keys(FAULTS) as Fault[]

/** A 404 means what the HTTP upstream takes it for. */
function answer404(asked: Asked): void {
  const { state, message } = asked.exchange
  if (state?.id !== undefined) asked.fail('session_not_found')
  else if (message?.era === 'modern') asked.fail('upstream_refused', 404)
  else asked.fail('upstream_invalid')
}

/** The answers that are no stream. */
const DIRECT: { readonly [fault in Fault]?: (asked: Asked) => void } = {
  none: USUAL,
  'answered 404': answer404,
  'token expiry unanswered': () => {},
  'no answer': (asked) => asked.fail('upstream_timeout'),
}

/** How the server answers the message: a stream stays open for what happens on the gateway's side. */
function answer(asked: Asked, fault: Fault): MemoryStream | undefined {
  const direct = DIRECT[fault]
  if (direct) {
    direct(asked)
    return undefined
  }
  const stream = asked.events()
  const id = fault.endsWith('without ids') ? undefined : 'e1'
  stream.say(PROGRESS, id, fault === 'cut with ids' || fault === 'polled' ? 1 : undefined)
  if (fault.startsWith('cut')) stream.cut()
  if (fault === 'polled') stream.end()
  return stream
}

/** What happens on the gateway's side once the answer has begun. */
function befall(fault: Fault, gateway: Fixture, client: MemoryClient): void {
  if (fault.startsWith('token expiry')) gateway.expireTokens()
  else if (fault === 'gateway closing') gateway.stopAll()
  else if (fault === 'client gone' || fault === 'client gone without ids') client.leave()
}

const messageOf = (name: MessageName): Message => {
  if (name === 'a handshake') return handshake()
  return name.startsWith('a modern') ? modernCall() : legacyCall()
}

async function play(layers: readonly Paired[], name: MessageName, fault: Fault): Promise<Outcome> {
  const records: AuditRecord[] = []
  const audit = (record: AuditRecord): void => void (record.from === 'client' && records.push(record))
  const gateway = fixture({ layers, audit, intercept: layers.includes('intercept') ? PASS : undefined })
  try {
    const outcome = await outcomeOf(gateway, layers, name, fault, () => records.splice(0))
    return outcome
  } finally {
    await gateway.close()
  }
}

async function outcomeOf(
  gateway: Fixture,
  layers: readonly Paired[],
  name: MessageName,
  fault: Fault,
  recorded: () => AuditRecord[],
): Promise<Outcome> {
  const { upstream } = gateway
  const session = await gateway.session()
  const message = messageOf(name)
  const { method } = message as { readonly method: string }
  if (name === 'a call in a forgotten session') upstream.sessions.clear()
  if (name.endsWith('a pipe')) upstream.quits = 'cancelled'
  let stream: MemoryStream | undefined
  function fail(asked: Asked): void {
    // The fault passes: whoever asks again is answered as usual.
    upstream.on(method, USUAL)
    stream = answer(asked, fault)
  }
  upstream.on(method, fail)
  upstream.on('GET', (asked) => asked.events().answer({}, 'e2'))

  const client = gateway.send(message, method === 'tools/call' ? { session } : {})
  await settled()
  befall(fault, gateway, client)
  await settled()
  if (stream && !fault.startsWith('cut') && fault !== 'polled') stream.answer(RESULTS[method]!, 'e2')
  await client.over
  const polls = layers.some((each) => each === 'log' || each === 'intercept')
  if (polls && stream && fault === 'polled' && method === 'tools/call')
    await upstream.asked.next(({ kind }) => kind === 'GET')
  await settled()

  const told = upstream.told
  const audit = recorded().map(({ outcome, code }) => `${outcome} ${code ?? ''}`.trimEnd())
  const got = { client: client.says, ids: client.ids, isOpened: client.sessionId !== undefined }
  const back = method === 'tools/call' ? await comeBack(gateway, client, session.id, fault) : undefined
  const again = method === 'tools/list' ? [await askAgain(gateway), await askAgain(gateway)] : []
  const behind = await gateway.behind(session)
  return { ...got, audit, told, stream: stream ? await stream.over : 'none', behind, back, again }
}

/** A client that has an id and no answer comes back for the rest. */
async function comeBack(
  gateway: Fixture,
  client: MemoryClient,
  sessionId: string,
  fault: Fault,
): Promise<Outcome['back']> {
  const { lastEventId, says } = client
  // A gateway that closes tells its clients when to come back (`retry`), and they find another.
  const isOver = says.some((word) => /^(?:result|error|refused)/.test(word) || (word === 'retry' && fault !== 'polled'))
  if (lastEventId === undefined || isOver) return undefined
  const before = gateway.upstream.told.length
  const headers = { 'last-event-id': lastEventId }
  const again = gateway.send(undefined, { session: await gateway.find(sessionId), headers })
  await again.over
  return { client: again.says, told: gateway.upstream.told.slice(before) }
}

/** Whose answer a modern client gets that asks the same once more. */
async function askAgain({ send, upstream }: Fixture): Promise<'server' | 'cache'> {
  const before = upstream.told.length
  const client = send(modernCall())
  await client.over
  expect(client.says).toEqual(['result'])
  return upstream.told.length > before ? 'server' : 'cache'
}

describe.each(pairs)('%s and %s, alone in the chain,', (...layers) => {
  describe.each(faults.map((fault) => [FAULTS[fault], fault] as const))('%s,', (_, fault) => {
    test.each(MESSAGES)('give %s what the rules say', async (message) => {
      const outcome = await play(layers, message, fault)
      expect(outcome).toEqual(expectedOf({ layers: new Set(layers), message, fault }))
    })
  })
})
