/** The accounts of a principal's own that a server needs, or the members of an aggregate. */
import { brokerOf, type ConnectionBroker, type ConnectionSubject } from '../exchange/connections.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { Principal, ServerConfig } from '../types.ts'
import { membersFor } from './aggregate/members.ts'
import { isAggregate } from './server-kind.ts'

export interface NeededAccount {
  /** The name of the member; empty for the server itself. */
  readonly member: string
  readonly broker: ConnectionBroker
  readonly subject: ConnectionSubject
  /** The title of the server, or of the member. */
  readonly title: string | undefined
}

/** The accounts that the exchange's principal needs there, connected or not. */
export async function accountsFor(exchange: Exchange): Promise<readonly NeededAccount[]> {
  const { config, origin } = exchange
  const { principal } = origin
  if (!principal) return []
  if (!isAggregate(config)) return accountAt('', origin.server, config, principal)
  return (await membersFor(exchange)).flatMap((member) =>
    accountAt(member.name, member.server, member.config, principal),
  )
}

function accountAt(member: string, server: string, config: ServerConfig, { id }: Principal): readonly NeededAccount[] {
  const broker = 'headers' in config ? brokerOf(config.headers) : undefined
  if (!broker || !('url' in config)) return []
  return [{ member, broker, subject: { user: id, server, url: new URL(config.url).href }, title: config.title }]
}
