/** A child process as a pipe: each line on stdin and stdout is a message. */
import type { ChildProcess } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import crossSpawn from 'cross-spawn'
import type { Pipe } from '../types.ts'
import { Lines } from './lines.ts'
import { endGroup, led, reap } from './process-group.ts'
import { StderrLines } from './stderr-lines.ts'

export interface ChildOptions {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string | undefined
  readonly maxMessageBytes: number
  readonly onStderr: ((line: string, pid: number | undefined) => void) | undefined
}

/** How long stdout is read after the process has exited, in milliseconds, to receive what it wrote before. */
const LAST_WORDS_MS = 100

export class ChildPipe implements Pipe {
  onMessage?: ((message: string) => void) | undefined
  onDrain?: (() => void) | undefined
  onClose?: ((cause?: Error) => void) | undefined
  readonly #child: ChildProcess
  readonly #stdin: Writable
  readonly #stdout: Readable
  readonly #lines: Lines
  readonly #stderr: StderrLines
  #ready: string[] = []
  /** Whether something was sent since it last said something: as with Nagle's algorithm, what follows can wait a little. */
  #isBusy = false
  #isPaused = false
  #isOver = false
  #closed: Promise<void> | undefined

  /** Throws when the arguments are invalid; a program that cannot be started is reported by `onClose`. */
  static spawn(options: ChildOptions): ChildPipe {
    const { command, args, env, cwd } = options
    const child = crossSpawn(command, [...args], {
      env,
      cwd,
      stdio: ['pipe', 'pipe', 'pipe'],
      // The process leads a group of its own, so that its descendants can be ended with it.
      detached: process.platform !== 'win32',
      windowsHide: true,
      shell: false,
    })
    return new ChildPipe(child, options)
  }

  private constructor(child: ChildProcess, { command, maxMessageBytes, onStderr }: ChildOptions) {
    const { stdin, stdout, stderr, pid } = child
    this.#child = child
    this.#stdin = stdin!
    this.#stdout = stdout!
    this.#lines = new Lines(maxMessageBytes)
    this.#stderr = new StderrLines(onStderr && ((line) => onStderr(line, pid)))
    if (pid !== undefined) led(pid)
    child.once('error', (cause) => {
      // The event may be emitted before a listener for `onClose` is set.
      setImmediate(() => this.#end(new Error(`"${command}" cannot be started: is it in PATH?`, { cause })))
    })
    child.once('exit', (code, signal) => this.#onExit(command, code === null ? { signal } : { exitCode: code }))
    stdin!.on('drain', () => this.onDrain?.())
    // A write to a process that has exited fails; its exit already ends the pipe.
    stdin!.on('error', () => {})
    stdout!.on('data', (chunk: Buffer) => this.#onData(chunk))
    stdout!.on('error', () => {})
    const decoder = new StringDecoder()
    stderr!.on('data', (chunk: Buffer) => this.#stderr.feed(decoder.write(chunk)))
    stderr!.on('error', () => {})
  }

  send(message: string): boolean {
    if (this.#stdin.destroyed || this.#stdin.writableEnded) return true
    if (this.#isBusy) this.#gather()
    this.#isBusy = true
    return this.#stdin.write(`${onOneLine(message)}\n`)
  }

  pause(): void {
    this.#isPaused = true
    this.#stdout.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#say()
    if (!this.#isPaused) this.#stdout.resume()
  }

  close(graceMs: number): Promise<void> {
    this.#isOver = true
    this.#closed ??= this.#close(graceMs)
    return this.#closed
  }

  /** Discards its output while it ends, because a process whose stdout is full would block instead of exiting. */
  async #close(graceMs: number): Promise<void> {
    this.#ready = []
    this.#stdin.end()
    this.#stdout.resume()
    const { pid } = this.#child
    if (pid !== undefined) await endGroup(pid, this.#child, graceMs)
    this.#stderr.end()
    this.#stdin.destroy()
    this.#stdout.destroy()
    this.#child.stderr?.destroy()
  }

  /** Sends in one write what is sent until the end of this turn of the event loop, since each write wakes the process. */
  #gather(): void {
    if (this.#stdin.writableCorked > 0) return
    this.#stdin.cork()
    setImmediate(() => this.#stdin.uncork())
  }

  #onData(chunk: Buffer): void {
    if (this.#isOver) return
    this.#isBusy = false
    const lines = this.#lines.feed(chunk)
    if (!lines) return this.#end(new Error('A message on stdout is longer than "maxMessageBytes"'))
    this.#ready.push(...lines)
    this.#say()
  }

  #say(): void {
    while (!this.#isPaused && !this.#isOver) {
      const line = this.#ready.shift()
      if (line === undefined) return
      if (line.trim() !== '') this.onMessage?.(line)
    }
  }

  /** The exit ends the pipe, not the end of stdout, which a descendant may hold open. */
  #onExit(command: string, exit: { readonly exitCode: number } | { readonly signal: string | null }): void {
    const { pid } = this.#child
    if (this.#isOver) return
    const end = (): void => {
      clearTimeout(timer)
      const { tail } = this.#stderr
      const said = tail === '' ? '' : `; it said on stderr: ${tail}`
      if (pid !== undefined) reap(pid)
      const how = 'signal' in exit ? exit.signal : exit.exitCode
      this.#end(Object.assign(new Error(`"${command}" ended (${String(how)})${said}`), exit))
    }
    const timer = setTimeout(end, LAST_WORDS_MS)
    this.#child.once('close', end)
  }

  #end(cause: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.onClose?.(cause)
  }
}

/** Replaces line breaks, which JSON has only between its tokens, by spaces: on stdio a message is one line. */
function onOneLine(message: string): string {
  return /[\r\n]/.test(message) ? message.replaceAll(/[\r\n]+/g, ' ') : message
}
