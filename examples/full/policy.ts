// Who may use which tools, and a line for each message: who, what, and how it ended.
import { type AuditRecord, type ToolInterceptor, tools } from 'express-mcp-gateway'
import type { Member } from './agents.ts'

/** Tools that change something are for the team "ops"; for all others they do not exist. */
export const byTeam: ToolInterceptor<Member> = tools<Member>({
  allow: ({ annotations }, { principal }) => principal.team === 'ops' || annotations.readOnlyHint,
})

/** To where the log of the app goes. A record has no argument, result or token in it; see ../audit-trail for a chain. */
export function audit({ time, principal, server, method, target, outcome, by, durationMs }: AuditRecord<Member>): void {
  const who = { user: principal?.id, team: principal?.team }
  console.log(JSON.stringify({ audit: { time, ...who, server, method, target, outcome, by, durationMs } }))
}
