// @ts-check
// Knows the identity of each call, and what came of it: the one place that says whether an answer was lost, doubled or
// crossed between principals.

/** No call may be without an answer or an error for longer. */
export const BOUND_MS = 75_000

/**
 * @typedef {object} CallInfo
 * @property {string} principal
 * @property {string} client
 * @property {string} server
 * @property {string} tool
 */

export class Call {
  /** @type {'answer' | 'told' | 'left' | undefined} */
  outcome
  endedAt = 0
  reason = ''
  /** How many JSON-RPC responses came to its ids. */
  responses = 0
  questions = 0
  progress = 0
  begunAt = performance.now()

  /** @param {string} id @param {CallInfo} info @param {Ledger} ledger */
  constructor(id, info, ledger) {
    this.id = id
    this.info = info
    this.ledger = ledger
  }

  get words() {
    const { client, server, tool } = this.info
    return `${this.id} (${client}, ${server}, ${tool})`
  }

  /** A response came; one of a round of questions is not yet an answer. @param {any} message @param {unknown} id */
  response(message, id) {
    this.responses += 1
    if (message.id !== id) this.ledger.violate('crossed', `${this.words} got a response to ${JSON.stringify(message)}`)
    if (this.outcome === 'answer')
      this.ledger.violate('doubled', `${this.words} was answered, and got ${JSON.stringify(message)}`)
    const { result, error } = message
    if (error) {
      if (!Number.isInteger(error.code) || !error.message) this.ledger.violate('unclear', JSON.stringify(message))
      return this.told(`${error.code} ${error.message}`)
    }
    const text = String(result?.content?.[0]?.text)
    if (result?.isError) return this.told(`isError ${text}`)
    this.end('answer', '')
    const said = parse(text)
    this.#compare(said, 'an answer')
    if (this.info.tool.startsWith('ask') && said.said !== this.id) {
      this.ledger.violate('crossed', `${this.words} was answered with what another said: ${text}`)
    }
  }

  /** @param {any} params of `notifications/progress` */
  progressed({ message, progress }) {
    this.#compare(parse(message), 'progress')
    if (progress <= this.progress)
      this.ledger.violate('doubled', `${this.words} had progress ${progress} after ${this.progress}`)
    this.progress = progress
  }

  /** @param {any} said what the question says */
  asked(said) {
    this.questions += 1
    this.#compare(said, 'a question')
    if (this.questions > 1) this.ledger.violate('doubled', `${this.words} was asked ${this.questions} times`)
  }

  /** @param {any} said @param {string} what */
  #compare(said, what) {
    if (said.call === this.id && said.principal === this.info.principal) return
    this.ledger.violate('crossed', `${this.words} of ${this.info.principal} got ${what} for ${JSON.stringify(said)}`)
  }

  /** The client knows that there is no answer. @param {string} reason */
  told(reason) {
    this.end('told', reason.replaceAll(/\d{4,}|[0-9a-f-]{20,}/g, 'N').slice(0, 110))
  }

  /** The client did not wait. */
  left() {
    this.end('left', '')
  }

  /** @param {'answer' | 'told' | 'left'} outcome @param {string} reason */
  end(outcome, reason) {
    if (this.outcome !== undefined) return
    this.outcome = outcome
    this.reason = reason
    this.endedAt = performance.now()
    this.ledger.ended(this)
  }
}

export class Ledger {
  /** @type {Map<string, Call>} */
  calls = new Map()
  /** @type {Set<Call>} */
  pending = new Set()
  /** @type {{ kind: string, text: string }[]} */
  violations = []
  /** What clients were told, by reason. @type {Map<string, number>} */
  reasons = new Map()
  slowestMs = 0
  /** @type {(text: string) => void} */
  onViolation = () => {}
  /** @type {(text: string) => void} */
  onTold = () => {}

  /** @param {CallInfo} info */
  open(info) {
    const id = `call-${this.calls.size + 1}`
    const call = new Call(id, info, this)
    this.calls.set(id, call)
    this.pending.add(call)
    return call
  }

  /** @param {Call} call */
  ended(call) {
    this.pending.delete(call)
    const ms = call.endedAt - call.begunAt
    this.slowestMs = Math.max(this.slowestMs, ms)
    if (ms > BOUND_MS) this.violate('late', `${call.words} took ${Math.round(ms)} ms`)
    if (call.outcome === 'told')
      this.onTold(
        `${call.words}: ${call.reason}${call.questions > 0 ? ', after it was asked' : ''} (${Math.round(ms)} ms)`,
      )
    if (call.outcome === 'told') this.reasons.set(call.reason, (this.reasons.get(call.reason) ?? 0) + 1)
  }

  /** @param {string} kind @param {string} text */
  violate(kind, text) {
    this.violations.push({ kind, text })
    this.onViolation(`${kind.toUpperCase()}: ${text}`)
  }

  /** Compares with what the tools wrote down. @param {any[]} journal */
  judge(journal) {
    for (const call of this.pending) this.violate('lost', `${call.words} has neither an answer nor an error`)
    /** @type {Map<string, number>} */
    const times = new Map()
    for (const entry of journal) {
      const { at, call: id, principal } = entry
      if (at === 'crossed') {
        this.violate('crossed', `a session was used by another principal: ${JSON.stringify(entry)}`)
        continue
      }
      const call = this.calls.get(id)
      if (call?.info.principal !== principal) this.violate('crossed', `${call?.words ?? id} ran for ${principal}`)
      const key = `${at} ${id}`
      times.set(key, (times.get(key) ?? 0) + 1)
    }
    for (const [key, count] of times) if (count > 1) this.violate('doubled', `${key} ${count} times`)
    for (const call of this.calls.values()) {
      if (call.outcome === 'answer' && !times.has(`done ${call.id}`))
        this.violate('invented', `${call.words} never ran`)
    }
    const lost = [...this.calls.values()].filter(({ id, outcome }) => outcome === 'told' && times.has(`done ${id}`))
    return { answersLostAndTold: lost.length }
  }

  /** Says of each call in a text what came of it. @param {string} text */
  explain(text) {
    return text.replaceAll(/call-\d+/g, (id) => {
      const { words = id, outcome = 'pending', reason = '' } = this.calls.get(id) ?? {}
      return `${words}: ${outcome} ${reason}`.trimEnd()
    })
  }

  counts() {
    const count = { answer: 0, told: 0, left: 0 }
    for (const { outcome } of this.calls.values()) if (outcome) count[outcome] += 1
    return count
  }
}

/** @param {unknown} text @returns {any} */
export function parse(text) {
  try {
    return JSON.parse(String(text)) ?? {}
  } catch {
    return { text }
  }
}
