// A pipe whose other end is the test: it says what it likes, when it likes, and sees every message to the letter.
import type { OpenPipe, Pipe, PipeContext, PipeServer } from '../../lib/index.ts'
import { createJournal, type Journal } from './journal.ts'

interface Parsed {
  readonly id?: string | number
  readonly method?: string
  readonly params?: Readonly<Record<string, unknown>>
  readonly result?: unknown
}

/** What a modern server says to `server/discover`. */
export const MODERN = {
  result: {
    resultType: 'complete',
    supportedVersions: ['2026-07-28'],
    capabilities: {},
    ttlMs: 0,
    cacheScope: 'private',
  },
}

export class ScriptedPipe implements Pipe {
  onMessage?: ((message: string) => void) | undefined
  onDrain?: (() => void) | undefined
  onClose?: ((cause?: Error) => void) | undefined
  /** What the gateway sent, to the letter. */
  readonly sent: Journal<string> = createJournal()
  isFull = false
  isPaused = false
  isClosed = false
  readonly context: PipeContext
  readonly #discovered: (pipe: ScriptedPipe) => object | undefined

  /** Answers handshakes by itself, and `server/discover` as it is told to: with nothing at all for `undefined`. */
  constructor(context: PipeContext, discovered: (pipe: ScriptedPipe) => object | undefined = () => MODERN) {
    this.context = context
    this.#discovered = discovered
  }

  send(message: string): boolean {
    this.sent.record(message)
    const { id, method } = JSON.parse(message) as Parsed
    if (method === 'initialize') {
      const serverInfo = { name: 'scripted', version: '1' }
      this.say({ id, result: { protocolVersion: '2025-11-25', capabilities: {}, serverInfo } })
    }
    const discovered = method === 'server/discover' && this.#discovered(this)
    if (discovered) this.say({ id, ...discovered })
    return !this.isFull
  }

  say(message: object | string): void {
    this.onMessage?.(typeof message === 'string' ? message : JSON.stringify({ jsonrpc: '2.0', ...message }))
  }

  /** Waits for a request of this method, and gives it. */
  async asked(method: string): Promise<Parsed & { readonly text: string }> {
    const text = await this.sent.next((each) => (JSON.parse(each) as Parsed).method === method)
    return { ...(JSON.parse(text) as Parsed), text }
  }

  drain(): void {
    this.isFull = false
    this.onDrain?.()
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }

  close(): Promise<void> {
    this.isClosed = true
    return Promise.resolve()
  }
}

/** A server of scripted pipes, and the pipes it opened so far. */
export function scriptedServer(
  options: Partial<PipeServer> &
    Pick<OpenPipe, 'sharedBy'> & { readonly discovered?: (pipe: ScriptedPipe) => object | undefined } = {},
): PipeServer & { readonly pipes: Journal<ScriptedPipe> } {
  const { sharedBy, discovered, ...rest } = options
  const pipes: Journal<ScriptedPipe> = createJournal()
  const open = (context: PipeContext): ScriptedPipe => {
    const pipe = new ScriptedPipe(context, discovered)
    pipes.record(pipe)
    return pipe
  }
  const config = { ...rest, pipe: Object.assign(open, { sharedBy }) }
  return Object.defineProperty(config, 'pipes', { value: pipes, enumerable: false }) as never
}
