/** Checks the config of a server that is one: over HTTP, HTTP+SSE or a pipe. */
import type { MemberServer } from '../types.ts'
import { targetOf } from './http/target.ts'
import { pipeTargetOf } from './pipe/pipe-target.ts'
import { isPipeServer, isSseServer } from './server-kind.ts'
import { checkSseServer } from './sse/sse-server.ts'

/** Throws a TypeError that names the fault and the cure. `isLookedUp`: whether a function has answered it. */
export function checkMember(server: string, config: MemberServer, isLookedUp: boolean): void {
  if (isPipeServer(config)) pipeTargetOf(server, config, isLookedUp)
  else if (isSseServer(config)) checkSseServer(server, config)
  else targetOf(server, config)
}
