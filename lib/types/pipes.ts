/** The channel to a server that is not behind HTTP, and how it is opened. */
import type { Awaitable, Era, Hook, Principal } from './common.ts'

/**
 * One duplex channel of JSON-RPC messages: a child process, an SDK server in this process, a socket. The gateway sets the
 * three listeners before it sends anything.
 */
export interface Pipe {
  /**
   * Sends one message without line ends, which the pipe takes in any case; `false` says that it is full, until
   * `onDrain`. `from` is who sends it, for servers that judge each message.
   */
  send(message: string, from?: PipeContext): boolean
  onMessage?: ((message: string) => void) | undefined
  onDrain?: (() => void) | undefined
  /**
   * To be called once, when nothing can be sent or comes any more; `cause` says why, for `onError`, and an `exitCode` or
   * `signal` of it is part of the server's health in a directory. Pipes that end with a cause are not opened again at
   * once, should the next one end within a minute, too: then after 1, 2, 4, 8, 16 s.
   */
  onClose?: ((cause?: Error) => void) | undefined
  /** No message is to come before `resume()`. */
  pause(): void
  resume(): void
  /** Ends the pipe, and resolves when nothing of it is left; what lasts longer than `graceMs` is cut. */
  close(graceMs: number): Awaitable<void>
}

/** For whom a pipe is opened, and who sends a message. */
export interface PipeContext<P extends Principal | undefined = Principal | undefined> {
  /** `undefined` with `authenticate: false`. */
  readonly principal: P
  /** The server's name. */
  readonly server: string
  /** `legacy`: the pipe of one session. `modern`: one that requests share. */
  readonly era: Era
}

/** Opens a pipe. It is a function, so that no JSON can hold one: a row of a database never starts a process. */
export type OpenPipe<P extends Principal | undefined = Principal | undefined> = Hook<
  [context: PipeContext<P>],
  Awaitable<Pipe>
> & {
  /** Names what is opened. Defaults to the server's name in a record; a lookup function must give one. */
  readonly key?: string | undefined
  /**
   * Whose modern requests share a pipe: those with the same answer. Asked for every session and every modern request,
   * with the context that opens the pipe if there is none yet. Defaults to the principal's id.
   */
  readonly sharedBy?: Hook<[context: PipeContext<P>], Awaitable<string>> | undefined
}
