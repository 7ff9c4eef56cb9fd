// What a client gets and what its server is told, for each pair of layers under each fault: the rules in words, and what
// follows from them for a cell of the table. It knows no code of lib/, so that it cannot repeat a fault of it.
import type { StreamEnd } from '../support/memory-upstream.ts'

export const PAIRED = ['open', 'log', 'intercept', 'cache', 'recover', 'resume', 'cancel'] as const
export type Paired = (typeof PAIRED)[number]

export const MESSAGES = [
  'a handshake',
  'a call',
  'a call in a forgotten session',
  'a modern list over HTTP',
  'a modern list over a pipe',
] as const
export type MessageName = (typeof MESSAGES)[number]

/** By name, what happens, with the requirements that say what has to follow. */
export const FAULTS = {
  none: 'when nothing fails',
  'answered 404': 'SS3 SS8 when the server answers 404',
  'cut with ids': 'SE7 UC6 when the connection breaks behind an event with an id',
  'cut without ids': 'ER14 UC10 when the connection breaks behind an event without an id',
  polled: 'SE3 when the server closes the stream behind an event with an id, to be asked for the rest',
  'no answer': 'LC8 when the server does not answer in time',
  'token expiry unanswered': 'LC8 when the token expires before the answer',
  'token expiry': 'when the token expires in the middle of the answer',
  'client gone': 'SE4 when the client leaves behind an event with an id',
  'client gone without ids': 'SE4 when the client leaves behind an event without an id',
  'gateway closing': 'when the gateway closes in the middle of the answer',
} as const
export type Fault = keyof typeof FAULTS

export interface Outcome {
  /** What the client gets, in words. */
  readonly client: readonly string[]
  /** Whose event ids it gets. */
  readonly ids: 'none' | 'ours' | "the server's"
  /** Its record, in words: how it ended, and the code. */
  readonly audit: readonly string[]
  /** Whether it is given a session. */
  readonly isOpened: boolean
  /** What the server is told, in order. */
  readonly told: readonly string[]
  /** How the server's first stream ended, if it began one. */
  readonly stream: StreamEnd | 'none'
  /** What the client's session stands for in the end. */
  readonly behind: string
  /** What the client gets that comes back behind its last event, and what the server is told of that. */
  readonly back: { readonly client: readonly string[]; readonly told: readonly string[] } | undefined
  /** Who answers when a modern client asks the same twice more. */
  readonly again: readonly ('server' | 'cache')[]
}

interface Cell {
  readonly layers: ReadonlySet<Paired>
  readonly message: MessageName
  readonly fault: Fault
}

const NOTHING: Outcome = {
  client: [],
  audit: [],
  ids: 'none',
  isOpened: false,
  told: [],
  stream: 'none',
  behind: 's1',
  back: undefined,
  again: [],
}

/** The end of a stream in the middle of which something happened to the gateway's side of it, by the fault. */
const STATUS = { 'token expiry': 401, 'gateway closing': 503 } as const

/** A server that has forgotten a session is told of a new one exactly so. */
const RENEWAL = ['initialize', 'notifications/initialized in s2']

export function expectedOf(cell: Cell): Outcome {
  const outcome = { ...outcomeOf(cell), audit: [recordOf(cell, outcomeOf(cell))] }
  // An interceptor sees the results of calls: nobody is to fetch one past it by a server's id.
  return cell.layers.has('intercept') && outcome.ids === "the server's" ? { ...outcome, ids: 'none' } : outcome
}

/** Each message has one record, which says of its end what its client was told. */
function recordOf({ message, fault, layers }: Cell, { client, ids }: Outcome): string {
  const last = client.findLast((word) => word !== 'retry') ?? ''
  if (last === 'result') return 'ok'
  if (last.endsWith(' 401')) return 'cancelled unauthorized'
  if (last.endsWith(' 503')) return 'cancelled closing'
  if (last === 'refused 504') return 'error upstream_timeout'
  if (last === 'refused 502') return 'error upstream_invalid'
  if (last === 'refused 404') return message.startsWith('a call') ? 'error session_not_found' : 'error upstream_refused'
  if (last === 'error 502') return 'error upstream_broken'
  if (!fault.startsWith('client gone')) return 'pending'
  if (message.startsWith('a modern')) return 'cancelled'
  // The answer to a legacy client that has left is read to its end, here or where the client comes back for it.
  const isResumable = layers.has('log') || (ids !== 'none' && !layers.has('intercept'))
  return message.startsWith('a call') && isResumable ? 'pending' : 'ok'
}

function outcomeOf(cell: Cell): Outcome {
  if (cell.message === 'a handshake') return handshakeOutcome(cell)
  return cell.message.startsWith('a modern') ? listOutcome(cell) : callOutcome(cell)
}

/**
 * A handshake is sent once, whatever happens: it is not cancelled (LC6), not recovered and not resumed, since there is
 * no session yet to do any of that in. Nothing of its answer leaves before it is known whether it opens a session. What
 * was opened for a client that has left is ended at the server by whoever keeps sessions, and by nobody else.
 */
function handshakeOutcome({ layers, fault }: Cell): Outcome {
  const once = { ...NOTHING, told: ['initialize'] }
  const farewell = layers.has('open') ? ['DELETE in s2'] : []
  switch (fault) {
    case 'none':
      return { ...once, client: ['result'], isOpened: layers.has('open') }
    case 'answered 404':
      // Without a session a 404 says that the URL is wrong.
      return { ...once, client: ['refused 502'] }
    case 'no answer':
      return { ...once, client: ['refused 504'] }
    case 'cut with ids':
      return { ...once, client: ['progress', 'error 502'], ids: "the server's", stream: 'cut' }
    case 'cut without ids':
      return { ...once, client: ['progress', 'error 502'], stream: 'cut' }
    case 'polled':
      // Without a session nobody can ask for the rest; whoever has no id is told so at once.
      return {
        ...once,
        client: layers.has('intercept') ? ['progress', 'error 502'] : ['progress'],
        ids: "the server's",
        stream: 'finished',
      }
    case 'client gone':
    case 'client gone without ids':
      return { ...once, told: [...once.told, ...farewell], stream: 'finished' }
    case 'token expiry unanswered':
      return { ...once, client: ['refused 401'] }
    case 'token expiry':
    case 'gateway closing':
      return { ...once, client: [`refused ${STATUS[fault]}`], stream: 'let go' }
  }
}

/**
 * A modern request belongs to no session, so that neither log, recovery nor resumption touches it. Its client's leaving
 * stops it. A stop closes the connection, which says it all over HTTP; over a pipe `cancelled` has to be said, and only
 * the cancelling layer says it, though never because the gateway closes. The cache lets nothing out before it knows the
 * response, and keeps what was answered whole, so that a fault is never kept.
 */
function listOutcome({ layers, message, fault }: Cell): Outcome {
  const saysCancelled = layers.has('cancel') && message === 'a modern list over a pipe'
  const told = ['tools/list']
  const cancelled = saysCancelled ? [...told, 'cancelled 7'] : told
  const hasCache = layers.has('cache')
  const first = hasCache && fault === 'none' ? 'cache' : 'server'
  const once: Outcome = { ...NOTHING, told, again: [first, hasCache ? 'cache' : 'server'] }
  switch (fault) {
    case 'none':
      return { ...once, client: ['result'] }
    case 'answered 404':
      return { ...once, client: ['refused 404'] }
    case 'no answer':
      return { ...once, client: ['refused 504'], told: cancelled }
    case 'token expiry unanswered':
      return { ...once, client: ['refused 401'], told: cancelled }
    case 'cut with ids':
      return { ...once, client: ['progress', 'error 502'], ids: "the server's", stream: 'cut' }
    case 'cut without ids':
      return { ...once, client: ['progress', 'error 502'], stream: 'cut' }
    case 'polled':
      // There is no resuming in that revision.
      return { ...once, client: ['progress', 'error 502'], ids: "the server's", stream: 'finished' }
    case 'client gone':
    case 'client gone without ids': {
      const ids = fault === 'client gone' && !hasCache ? "the server's" : 'none'
      return { ...once, client: hasCache ? [] : ['progress'], ids, told: cancelled, stream: 'let go' }
    }
    case 'token expiry':
    case 'gateway closing': {
      const client = hasCache ? [`refused ${STATUS[fault]}`] : ['progress', `error ${STATUS[fault]}`]
      const ids = hasCache ? 'none' : "the server's"
      return { ...once, client, ids, told: fault === 'token expiry' ? cancelled : told, stream: 'let go' }
    }
  }
}

/**
 * A legacy call in a session. Whatever is said about it is said in the session that took it: `s2` where recovery has
 * replaced `s1`, and in `s1` never again.
 */
function callOutcome({ layers, message, fault }: Cell): Outcome {
  const isForgotten = message === 'a call in a forgotten session'
  const refused: Outcome = { ...NOTHING, client: ['refused 404'], told: ['tools/call in s1'], behind: 'ended' }
  // Without recovery a forgotten session has ended for everybody, before anything else can go wrong.
  if (isForgotten && !layers.has('recover')) return refused
  const renewed = ['tools/call in s1', ...RENEWAL, 'tools/call in s2']
  if (fault === 'answered 404') {
    // The call is sent again once: a server that forgets the new session, too, has the last word.
    if (isForgotten) return { ...refused, told: renewed }
    return layers.has('recover') ? { ...NOTHING, client: ['result'], told: renewed, behind: 's2' } : refused
  }
  const behind = isForgotten ? 's2' : 's1'
  return answeredOutcome(layers, fault, { ...NOTHING, told: isForgotten ? renewed : ['tools/call in s1'], behind })
}

/** What becomes of a call that a server has taken, in the session that took it. */
function answeredOutcome(layers: ReadonlySet<Paired>, fault: Exclude<Fault, 'answered 404'>, taken: Outcome): Outcome {
  const { told, behind } = taken
  const hasLog = layers.has('log')
  // What its client cannot resume is as if the server had given no ids: the interceptor itself resumes a broken stream.
  const isWithheld = layers.has('intercept') && !hasLog
  // A log gives the client ids of its own, the first of them before there is any event.
  const begun = hasLog ? ['priming', 'progress'] : ['progress']
  const ids = hasLog ? 'ours' : "the server's"
  const cancelled = layers.has('cancel') ? [...told, `cancelled 7 in ${behind}`] : told
  switch (fault) {
    case 'none':
      return { ...taken, client: ['result'] }
    case 'no answer':
      return { ...taken, client: ['refused 504'], told: cancelled }
    case 'token expiry unanswered':
      // A log takes over a stream. Until there is one the call lives and ends with its client.
      return { ...taken, client: ['refused 401'], told: cancelled }
    case 'cut without ids':
      // It may have been carried out: it is never sent again.
      return { ...taken, client: [...begun, 'error 502'], ids: hasLog ? 'ours' : 'none', stream: 'cut' }
    case 'cut with ids': {
      const isResumed = layers.has('resume') || layers.has('intercept')
      // A log says the server's reconnection time on its own.
      const heard = hasLog ? ['priming', 'retry', 'progress'] : begun
      const client = [...heard, isResumed ? 'result' : 'error 502']
      return { ...taken, client, ids, told: isResumed ? [...told, `GET after e1 in ${behind}`] : told, stream: 'cut' }
    }
    case 'polled': {
      // The log polls, and has its client poll it; an interceptor polls, since its client has no id to do so.
      const polling = `GET after e1 in ${behind}`
      if (layers.has('intercept')) {
        const client = hasLog ? ['priming', 'retry', 'progress', 'result'] : [...begun, 'result']
        return { ...taken, client, ids, told: [...told, polling], stream: 'finished' }
      }
      if (hasLog) {
        const back = { client: ['result'], told: [] }
        return {
          ...taken,
          client: ['priming', 'retry', 'progress'],
          ids,
          told: [...told, polling],
          stream: 'finished',
          back,
        }
      }
      return { ...taken, client: begun, ids, stream: 'finished', back: { client: ['result'], told: [polling] } }
    }
    case 'token expiry': {
      // The log keeps the rest for the day that the client comes with a new token; without, the call is over.
      const back = { client: ['result'], told: [] }
      if (hasLog) return { ...taken, client: begun, ids, stream: 'finished', back }
      return { ...taken, client: [...begun, 'error 401'], ids, told: cancelled, stream: 'let go' }
    }
    case 'client gone': {
      // Leaving is not cancelling. Who reads on is the log; without, the server sees the client go, and keeps the rest.
      if (hasLog) return { ...taken, client: begun, ids, stream: 'finished', back: { client: ['result'], told: [] } }
      if (isWithheld) return { ...taken, client: begun, stream: 'finished' }
      const back = { client: ['result'], told: [`GET after e1 in ${behind}`] }
      return { ...taken, client: begun, ids, stream: 'let go', back }
    }
    case 'client gone without ids': {
      // A server that keeps nothing is read to its end, so that it is not taken for cancelled.
      const back = hasLog ? { client: ['result'], told: [] } : undefined
      return { ...taken, client: begun, ids: hasLog ? 'ours' : 'none', stream: 'finished', back }
    }
    case 'gateway closing':
      // Another node goes on where the client's last id says: the call is not cancelled, and not told an error.
      // Without an id there is no going on elsewhere.
      return { ...taken, client: [...begun, ...(isWithheld ? ['error 503'] : []), 'retry'], ids, stream: 'let go' }
  }
}
