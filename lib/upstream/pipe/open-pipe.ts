/** Calls the embedder's function that opens a pipe, and checks what it returns. */
import { GatewayError } from '../../errors.ts'
import type { Origin } from '../../exchange/exchange.ts'
import type { Pipe, PipeContext } from '../../types.ts'
import { inHookTime } from '../../util/hook-timeout.ts'
import { kindOf } from '../../util/json.ts'
import type { PipeTarget } from './pipe-target.ts'

/** Rejects with a GatewayError. Closes a pipe that is returned after the time limit, since nothing would use it. */
export async function openPipe({ open, graceMs }: PipeTarget, origin: Origin, context: PipeContext): Promise<Pipe> {
  let isLate = false
  try {
    const opening = (async () => origin.bind(open)(context))()
    opening.then(
      (pipe) => isLate && isPipe(pipe) && pipe.close(graceMs),
      () => {},
    )
    const pipe = await inHookTime(opening, 'The function that opens a pipe')
    if (isPipe(pipe)) return pipe
    throw new TypeError(
      `The function that opens a pipe must answer one, { send, pause, resume, close }, not ${kindOf(pipe)}`,
    )
  } catch (cause) {
    isLate = true
    if (cause instanceof GatewayError) throw cause
    throw new GatewayError('upstream_unreachable', 'The server cannot be started', { cause })
  }
}

function isPipe(value: unknown): value is Pipe {
  if (typeof value !== 'object' || value === null) return false
  const { send, pause, resume, close } = value as Partial<Pipe>
  return [send, pause, resume, close].every((method) => typeof method === 'function')
}
