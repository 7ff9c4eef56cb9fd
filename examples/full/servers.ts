// The MCP servers behind: all that the company has is under one name, "desk".
import { aggregate, type AggregateServer } from 'express-mcp-gateway'
import type { Member } from './agents.ts'
import { orders } from './orders.ts'
import type { Settings } from './settings.ts'

export function makeServers({ crm }: Settings): { readonly desk: AggregateServer<Member> } {
  return {
    desk: {
      ...aggregate<Member>({
        orders,
        crm: {
          url: crm.url,
          // A token of the app, and whom it acts for. What the agent has sent never gets there.
          headers: ({ principal }) => ({ authorization: `Bearer ${crm.token}`, 'x-user': principal.id }),
          // For agents of 2026-07-28, if it has sessions alone.
          bridge: true,
        },
      }),
      title: 'Desk',
      description: 'Orders and customers',
    },
  }
}
