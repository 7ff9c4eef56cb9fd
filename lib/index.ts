/**
 * The public surface, and the map of the house.
 *
 * A request goes down this list:
 *
 *     gateway.ts          mcpGateway(): the way of a request; knows every folder
 *     options.ts          GatewayOptions -> Config: checks and defaults
 *     visit.ts            one HTTP request, and what is known of it so far
 *     inbound/            what arrived, and may it pass?
 *       address.ts          the path -> a server name
 *       admit.ts            Host and Origin
 *       headers.ts          what else the headers must say
 *       body.ts             the body, read once within a bound
 *       duplicate-keys.ts   a message that two parsers could read differently
 *       classify.ts         kind, era, id, method
 *       ladder.ts           what a modern message must keep to, rung by rung
 *       header-value.ts     what the value of Mcp-Name stands for
 *     conversations.ts    opening, carrying on and ending sessions; shutting down
 *     running.ts          the exchanges that go on right now
 *     openings.ts         the reply to a handshake -> a session of ours
 *     recovery.ts         opens a session anew that its upstream forgot
 *     notices.ts          what the gateway tells upstreams by itself
 *     exchange.ts         one message on its way, and how to stop it
 *     session/            whose conversation is it?
 *       sessions.ts         opens, finds, ends; knows which are in use
 *       memory-store.ts     the default store
 *       sealed-store.ts     the id is the record: no storage at all
 *       redis-store.ts      one for many nodes
 *     cache/              answered before, and still fresh?
 *       cache.ts            a Handle before a Handle
 *       policy.ts           what may be kept, for whom and for how long
 *       shelf.ts            kept results, bounded in bytes
 *       members.ts          where a JSON object's members stand in its text
 *     events/             what of it may be missed, and asked for again?
 *       journal.ts          a Handle before a Handle
 *       writers.ts          which streams are written here
 *       leases.ts           so that nobody else writes them
 *       turns.ts            one after the other
 *       recorder.ts         reads an upstream's stream to its end
 *       bookmark.ts         where that can be resumed
 *       log-writer.ts       into the log first, then to the client
 *       audience.ts         which client that is
 *       follower.ts         out of the log, then live
 *       tail.ts             the body of a stream that is kept
 *       prompt-log.ts       a log that answers in time or has failed
 *       entry.ts            what is kept of an event, and the ids that clients see
 *       memory-event-log.ts a log in this process
 *       redis-event-log.ts  one for many nodes
 *       stream-watch.ts     waits for events in Redis
 *     upstream/           there
 *       headers.ts          which headers cross, each way
 *       target.ts           a server's config, checked and ready
 *       eras.ts             which eras an upstream speaks
 *       http.ts             sends an exchange over Streamable HTTP
 *       upstream-reply.ts   the answer as it arrives
 *       resumed-body.ts     the rest of a stream whose connection broke
 *       verdict.ts          what its status and type mean
 *     outbound/           and back
 *       answer.ts           reads the one reply somebody has to look at
 *       overhear.ts         listens in on a stream on its way
 *       relay.ts            hands a reply on
 *       writer.ts           backpressure, clients that stall or leave, exchanges that are stopped
 *       document-writer.ts  JSON as it comes
 *       stream-writer.ts    an event stream, event by event
 *       heartbeat.ts        keeps quiet streams alive
 *       refusal.ts          answers with an error
 *     sse/                event streams as bytes, for whoever has to look into one
 *       event-stream.ts     whole events out of bytes
 *       owed.ts             which answers a stream still owes
 *
 * Everybody may use types.ts (contract and glossary), protocol.ts (the wire by name), errors.ts (codes and statuses),
 * json.ts, redis.ts, slots.ts (a set for what comes and goes) and awaitable.ts. create-server.ts makes Express itself cheap.
 * testing.ts is the subpath `./testing`: the contracts every session store and, in event-log-contract.ts, every event log keeps.
 */

// The middleware.
export { mcpGateway } from './gateway.ts'

// A server that makes Express itself cheap.
export { createServer, type ExpressApp, type ExpressServerOptions } from './create-server.ts'

// Session stores that come with it.
export { MemorySessionStore, type MemorySessionStoreOptions } from './session/memory-store.ts'
export { RedisSessionStore, type RedisSessionStoreOptions } from './session/redis-store.ts'
export { SealedSessionStore, type SealedSessionStoreOptions } from './session/sealed-store.ts'

// Event logs that come with it.
export { MemoryEventLog, type MemoryEventLogOptions } from './events/memory-event-log.ts'
export { RedisEventLog, type RedisEventLogOptions } from './events/redis-event-log.ts'

// What goes wrong, by name.
export { GatewayError, type GatewayErrorCode, type GatewayErrorOptions } from './errors.ts'

// The contract: what to pass in, what comes back.
export type {
  Authenticate,
  Awaitable,
  ErrorContext,
  EventLog,
  EventStreamName,
  Gateway,
  GatewayOptions,
  GatewayRequest,
  HeadersContext,
  LoggedEvent,
  Principal,
  Recovery,
  ServerConfig,
  ServerLookup,
  SessionHost,
  SessionRecord,
  SessionStore,
} from './types.ts'
