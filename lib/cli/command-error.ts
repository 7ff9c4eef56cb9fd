/** An error of the command line: its message is printed without a stack, and it decides the exit code. */

/** `FAILED`: it cannot run, or a server cannot be used. `MISUSED`: the arguments or the file are wrong. */
export const EXIT = { FAILED: 1, MISUSED: 2 } as const

export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exitCode: number

  constructor(message: string, exitCode: number = EXIT.MISUSED) {
    super(message)
    this.exitCode = exitCode
  }
}
