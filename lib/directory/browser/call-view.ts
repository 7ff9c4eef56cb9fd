/** One call on the page: its time, its progress, what the server says meanwhile, its result or error. */
import { type JsonObject, member, nonEmptyText } from '../../util/json.ts'
import type { TrialClient, TrialRequest } from './trial-client.ts'
import { announce, button, element } from './elements.ts'
import type { CallListener } from './call-listener.ts'
import { QuestionSlot } from './questions.ts'
import { foldedJson, jsonText, type ReadResource, renderResult, sizeText } from './results.ts'
import { AnsweredError } from './wire.ts'
import { WireLog } from './wire-log.ts'

const TIME_SHOWN_MS = 100
const MAX_LOGS = 100

/** From which length on that of a result is shown, in characters. */
const LARGE_RESULT = 1_024
const MAX_LOG_CHARS = 2_000

/** The reason of a call that was cancelled at the page. */
class Cancelled extends Error {}

export class CallView {
  readonly shown = element('div', { class: 'call' })
  readonly #state = element('p', { class: 'state' })
  readonly #stop = new AbortController()
  readonly #cancel: HTMLButtonElement
  readonly #bar = element('progress', { 'aria-label': 'Progress' })
  readonly #said = element('p', { class: 'quiet' })
  readonly #logs = element('ul', { class: 'logs' })
  readonly #slot = element('div')
  readonly #wire = new WireLog()
  readonly #startedAt = performance.now()
  readonly #server: string

  constructor(server: string) {
    this.#server = server
    this.#cancel = button('Cancel', {}, () => this.#stop.abort(new Cancelled()))
    const head = element('div', { class: 'actions' }, this.#cancel, this.#state)
    this.shown.append(head, this.#bar, this.#said, this.#logs, this.#slot)
  }

  /** Resolves when the call is over and its outcome is shown. */
  async run(connection: TrialClient, outgoing: TrialRequest, onRead: ReadResource): Promise<void> {
    const timer = setInterval(() => (this.#state.textContent = `Running, ${this.#time()}`), TIME_SHOWN_MS)
    this.#state.textContent = 'Running'
    announce('Running')
    const folds = element('div', { class: 'folds' })
    try {
      const result = await connection.request(outgoing, this.#listener())
      this.shown.append(this.#succeeded(result, onRead))
      folds.append(foldedJson('The result as JSON', result))
    } catch (error) {
      this.shown.append(this.#failed(error))
    }
    clearInterval(timer)
    // Releases a stream that the server keeps open after its answer.
    this.#stop.abort(new Cancelled())
    this.#cancel.remove()
    this.#bar.remove()
    this.#said.remove()
    folds.append(this.#wire.render())
    this.shown.append(folds)
    announce(this.#state.textContent)
  }

  #listener(): CallListener {
    return {
      signal: this.#stop.signal,
      onProgress: (params) => this.#progress(params),
      onLog: (params) => this.#log(params),
      onWire: this.#wire.add,
      ask: new QuestionSlot(this.#slot, this.#server).ask,
    }
  }

  #succeeded(result: JsonObject, onRead: ReadResource): Node {
    const isFault = result['isError'] === true
    this.#over(isFault ? 'The tool failed' : 'Done', isFault)
    const chars = jsonText(result).length
    if (chars > LARGE_RESULT) this.#state.append(`, ${sizeText(chars)}`)
    const rendered = renderResult(result, onRead)
    if (isFault) rendered.classList.add('failed')
    return rendered
  }

  #failed(error: unknown): Node {
    if (error instanceof Cancelled) {
      this.#over('Cancelled', false)
      return element('div')
    }
    this.#over('Failed', true)
    const code = error instanceof AnsweredError && error.code !== undefined ? ` (${jsonText(error.code)})` : ''
    const signIn = error instanceof AnsweredError && error.status === 401 ? ' Load the page again to sign in.' : ''
    return element('p', { class: 'fault' }, `${(error as Error).message}${code}${signIn}`)
  }

  #over(how: string, isFault: boolean): void {
    this.#state.textContent = `${how} in ${this.#time()}`
    this.#state.classList.toggle('bad', isFault)
  }

  #time(): string {
    const ms = performance.now() - this.#startedAt
    return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`
  }

  #progress(params: JsonObject): void {
    const [value, total] = [Number(member(params, 'progress')), Number(member(params, 'total'))]
    if (total > 0 && value >= 0) {
      this.#bar.max = total
      this.#bar.value = Math.min(value, total)
    }
    const message = nonEmptyText(params, 'message')
    const step = total > 0 ? `${value} of ${total}` : String(value)
    this.#said.textContent = message === undefined ? step : `${step}: ${message.slice(0, MAX_LOG_CHARS)}`
  }

  #log(params: JsonObject): void {
    if (this.#logs.childElementCount >= MAX_LOGS) return
    const { level, data } = params
    const text = typeof data === 'string' ? data : jsonText(data)
    const shown = text.slice(0, MAX_LOG_CHARS)
    this.#logs.append(element('li', {}, element('code', {}, typeof level === 'string' ? level : 'log'), ` ${shown}`))
  }
}
