/**
 * The public surface, and the map of the house.
 *
 * A request goes down this list:
 *
 *     gateway.ts          mcpGateway(): the way of a request; knows every folder
 *     options.ts          GatewayOptions -> Config: checks and defaults
 *     hooks.ts            asks the embedder who is asking, and for which server
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
 *     carrier.ts          sends an exchange, and hands the reply on
 *     running.ts          the exchanges that go on right now
 *     rechecks.ts         may they still? streams end with the access they began with
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
 *       queue.ts            first in, first out
 *       redis-event-log.ts  one for many nodes
 *       stream-watch.ts     waits for events in Redis
 *     upstream/           there
 *       headers.ts          which headers cross, each way
 *       target.ts           a server's config, checked and ready
 *       eras.ts             which eras an upstream speaks
 *       http.ts             sends an exchange over Streamable HTTP
 *       credentials.ts      with the headers that a function answers for it
 *       upstream-reply.ts   the answer as it arrives
 *       resumed-body.ts     the rest of a stream whose connection broke
 *       verdict.ts          what its status and type mean
 *     auth/               who is asking, and what are they told who may not?
 *       principal.ts        what the hook answered -> a principal
 *       bearer.ts           the token of a request
 *       jwt-bearer.ts       a hook for JWT access tokens
 *       jwt-options.ts      what it takes
 *       jwt-verifier.ts     a token -> its claims
 *       issuer-keys.ts      the keys an issuer signs with
 *       metadata.ts         an issuer -> its endpoints
 *       bounded-fetch.ts    fetch() that cannot be led astray
 *       scopes.ts           what a message needs
 *       challenge.ts        what a refused client is told
 *       protected-resource.ts  the servers as resources that tokens are for
 *       resource.ts         their URIs
 *       metadata-endpoint.ts   answers who asks for their metadata
 *     outbound/           and back
 *       answer.ts           reads the one reply somebody has to look at
 *       overhear.ts         listens in on a stream on its way
 *       relay.ts            hands a reply on
 *       writer.ts           backpressure, clients that stall or leave, exchanges that are stopped
 *       document-writer.ts  JSON as it comes
 *       stream-writer.ts    an event stream, event by event
 *       heartbeat.ts        keeps quiet streams alive
 *       refusal.ts          answers with an error
 *     auth/               what an embedder plugs in
 *       client-credentials.ts  upstream credentials: the gateway's own
 *       token-exchange.ts      upstream credentials: the client's token exchanged
 *       tokens.ts              kept while they last
 *       token-endpoint.ts      where they come from
 *       token-options.ts       and as what the gateway asks there
 *       metadata.ts            an issuer -> its endpoints
 *       bounded-fetch.ts       fetch() that cannot be led astray
 *     sse/                event streams as bytes, for whoever has to look into one
 *       event-stream.ts     whole events out of bytes
 *       owed.ts             which answers a stream still owes
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
 * json.ts, slots.ts (a set for what comes and goes), awaitable.ts, in-time.ts, redis.ts and expiry.ts (when a proof of
 * identity ends). create-server.ts makes Express itself cheap.
 *
 * testing.ts is the subpath `./testing`, for who writes a store or a log:
 *
 *     contracts/          what all of them keep, as tests
 *       contract.ts         what a contract is
 *       session-stores.ts   of a session store
 *       event-logs.ts       of an event log
 */

// The middleware.
export { mcpGateway } from './gateway.ts'

// The list of servers, for people and for machines.
export { serverDirectory, type DirectoryHandler, type ServerDirectory } from './directory/directory.ts'
export type { ListServers, ServerDirectoryOptions } from './directory/settings.ts'

// A server that makes Express itself cheap.
export { createServer, type ExpressApp, type ExpressServerOptions } from './create-server.ts'

// Who is asking: hooks for `authenticate`, and what one's own is made of.
export { bearerToken } from './auth/bearer.ts'
export { jwtBearer, type JwtBearerOptions, type JwtClaims, type JwtPrincipal } from './auth/jwt-bearer.ts'

// Session stores that come with it.
export { MemorySessionStore, type MemorySessionStoreOptions } from './session/memory-store.ts'
export { RedisSessionStore, type RedisSessionStoreOptions } from './session/redis-store.ts'
export { SealedSessionStore, type SealedSessionStoreOptions } from './session/sealed-store.ts'

// Event logs that come with it.
export { MemoryEventLog, type MemoryEventLogOptions } from './events/memory-event-log.ts'
export { RedisEventLog, type RedisEventLogOptions } from './events/redis-event-log.ts'

// Credentials for upstreams: for the `headers` of a server.
export { clientCredentials, type ClientCredentialsOptions } from './auth/client-credentials.ts'
export { tokenExchange, type TokenExchangeOptions } from './auth/token-exchange.ts'

// What goes wrong, by name.
export { type Challenge, GatewayError, type GatewayErrorCode, type GatewayErrorOptions } from './errors.ts'

// The contract: what to pass in, what comes back.
export type {
  AuthenticateContext,
  Authenticate,
  AuthInfo,
  Awaitable,
  BearerAuthenticate,
  ErrorContext,
  EventLog,
  EventStreamName,
  Gateway,
  GatewayOptions,
  GatewayRequest,
  HeadersContext,
  LoggedEvent,
  Principal,
  ProtectedResource,
  Recovery,
  ScopeRules,
  ServerConfig,
  ServerLookup,
  SessionHost,
  SessionRecord,
  SessionStore,
} from './types.ts'
