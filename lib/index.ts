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
 *       event-stream.ts     whole events out of bytes
 *       owed.ts             which answers a stream still owes
 *       heartbeat.ts        keeps quiet streams alive
 *       refusal.ts          answers with an error
 *
 *     directory/          which servers are there?
 *       directory.ts        serverDirectory(): the way of a request to the list
 *       settings.ts         ServerDirectoryOptions -> Settings: checks and defaults
 *       place.ts            where things are, as the one who asks reaches them
 *       negotiate.ts        a page or JSON?
 *       listing.ts          what one principal may use, as plain values
 *       health.ts           which upstreams answered lately
 *       interview.ts        what a server says of itself and offers
 *       talk.ts             a conversation with it, message by message
 *       memo.ts             what it said, kept for a moment
 *       documents.ts        the list as JSON, server cards, the catalog
 *       page.ts             the pages
 *       card.ts             a server's card on them
 *       offer.ts            what it offers, on its card
 *       snippets.ts         what is pasted into clients
 *       ago.ts              how long ago, in words
 *       html.ts             escapes whatever is put in
 *       style.ts            how they look
 *       script.ts           what they do in the browser
 *       respond.ts          headers, policy and tags of an answer
 *
 * The directory knows a gateway by inside.ts alone, and asks upstreams through enquiries.ts.
 *
 * Everybody may use types.ts (contract and glossary), protocol.ts (the wire by name), errors.ts (codes and statuses),
 * json.ts, slots.ts (a set for what comes and goes) and awaitable.ts. create-server.ts makes Express itself cheap.
 * testing.ts is the subpath `./testing`: the contract every session store keeps.
 */

// The middleware.
export { mcpGateway } from './gateway.ts'

// The list of servers, for people and for machines.
export { serverDirectory, type DirectoryHandler, type ServerDirectory } from './directory/directory.ts'
export type { ListServers, ServerDirectoryOptions } from './directory/settings.ts'

// A server that makes Express itself cheap.
export { createServer, type ExpressApp, type ExpressServerOptions } from './create-server.ts'

// Session stores that come with it.
export { MemorySessionStore, type MemorySessionStoreOptions } from './session/memory-store.ts'
export { RedisSessionStore, type RedisSessionStoreOptions } from './session/redis-store.ts'
export { SealedSessionStore, type SealedSessionStoreOptions } from './session/sealed-store.ts'

// What goes wrong, by name.
export { GatewayError, type GatewayErrorCode, type GatewayErrorOptions } from './errors.ts'

// The contract: what to pass in, what comes back.
export type {
  Authenticate,
  Awaitable,
  ErrorContext,
  Gateway,
  GatewayOptions,
  GatewayRequest,
  HeadersContext,
  Principal,
  Recovery,
  ServerConfig,
  ServerLookup,
  SessionHost,
  SessionRecord,
  SessionStore,
} from './types.ts'
