// The protocol's requirements as data: what a gateway of this kind must keep, by the ids that test names cite.

export type Level = 'MUST' | 'MUST NOT' | 'GW'

export interface Requirement {
  /** `GW` is no sentence of the specification, but forced by it, or by clients and servers in use, on whoever stands between. */
  readonly level: Level
  /** The revisions it holds for: 03, 06, 11 and 26 are 2025-03-26, 2025-06-18, 2025-11-25 and 2026-07-28; legacy is the first three. */
  readonly revs: string
  readonly text: string
  /** Why no test cites it yet. */
  readonly pending: string | undefined
}

const at =
  (level: Level) =>
  (revs: string, text: string, pending?: string): Requirement => ({ level, revs, text, pending })
const must = at('MUST')
const mustNot = at('MUST NOT')
const gw = at('GW')

const TASKS = 'tasks: relayed like any other message, without a test of their own yet'
const HOST = "the host's own: whoever mounts the gateway limits rates in front of it, and each server its own tools"

/** Ids run from 1 to this, family by family. Those that REQUIREMENTS leaves out may be cited and need not be. */
const LAST_OF_FAMILY = {
  RT: 13,
  CL: 11,
  HD: 21,
  RPC: 15,
  ER: 14,
  SS: 12,
  SE: 18,
  PU: 6,
  LC: 9,
  UT: 11,
  ST: 30,
  TK: 7,
  UC: 10,
  AU: 17,
  SC: 11,
}

export const FAMILIES: readonly string[] = Object.keys(LAST_OF_FAMILY)

export const KNOWN_IDS: ReadonlySet<string> = new Set(
  Object.entries(LAST_OF_FAMILY).flatMap(([family, last]) =>
    Array.from({ length: last }, (_, index) => `${family}${index + 1}`),
  ),
)

export const REQUIREMENTS: Readonly<Record<string, Requirement>> = {
  // Routing and HTTP methods
  RT1: must('legacy', 'one endpoint path supports POST and GET'),
  RT2: must('26', 'the endpoint supports POST'),
  RT3: must('legacy', 'GET answers an event stream or 405, nothing else for a valid request'),
  RT7: gw('all', '405 carries Allow; PUT and PATCH are 405, not the HTML 404 of the host'),
  RT8: gw('all', 'an unknown name is 404, with a body that no client takes for a modern error'),
  RT9: gw('all', 'the name is a key of the lookup, never part of the upstream URL'),
  RT10: gw('all', 'CORS is possible: a preflight is answered before authentication'),
  RT11: gw('all', 'works before and after a body parser of the host'),
  RT12: gw('all', 'event streams survive compression: no-transform, flushed at once, X-Accel-Buffering: no'),

  // HTTP headers
  HD1: must('all', 'POST that takes no JSON and GET that takes no event stream are 406; both are always sent upstream'),
  HD2: gw('all', 'a content type other than application/json is 415; parameters are allowed'),
  HD3: must('06,11', 'the negotiated MCP-Protocol-Version crosses on every request after initialize'),
  HD4: must('06,11', 'an invalid or unsupported MCP-Protocol-Version is 400'),
  HD6: must('26', 'every POST carries MCP-Protocol-Version, Mcp-Method and, where due, Mcp-Name'),
  HD7: must('26 ext', 'tasks/* carry Mcp-Name = taskId'),
  HD8: must('26', 'header names compare case-insensitively, values case-sensitively and trimmed'),
  HD9: must('26', 'missing, mismatching or malformed standard headers are 400 and -32020'),
  HD10: must('26', 'the base64 sentinel of Mcp-Name and Mcp-Param-* is decoded before comparing'),
  HD11: must('26', 'headers the gateway itself emits are encoded where they need it'),
  HD12: must('26', 'unrecognised Mcp-Param-* cross unchanged'),
  HD13: must('26', 'annotated parameters have their matching Mcp-Param-* header'),
  HD15: gw('all', 'the body decides, never a header alone'),
  HD16: gw('all', 'to the upstream only listed headers cross; credentials, Origin and hop-by-hop never do'),
  HD17: gw('all', 'the upstream is asked for identity encoding'),
  HD19: must('legacy', 'a session id is visible ASCII'),
  HD20: gw('all', 'Retry-After and the exact Content-Type come back; WWW-Authenticate does not'),
  HD21: must('all', 'the answer to a request is JSON or an event stream'),

  // JSON-RPC
  RPC1: must('all', 'what does not parse is 400 and -32700, what is not JSON-RPC 400 and -32600'),
  RPC2: must('all', 'a request id is a string or an integer; a response has exactly one of result and error'),
  RPC3: must('all', 'ids come back with the same type and value'),
  RPC4: must('legacy', 'ids of several clients never collide on one upstream session'),
  RPC5: must('03', 'batches are received'),
  RPC6: must('03', 'initialize is never part of a batch'),
  RPC7: must('03', 'a batch of responses and notifications is 202; each request in a batch gets its response'),
  RPC8: must('06,11,26', 'an array is 400 and -32600'),
  RPC9: must('26', 'a posted response is 400'),
  RPC10: must('legacy', 'a notification or response is 202 without a body; what the upstream refuses stays refused'),
  RPC11: must('26', 'a notification is 202 without a body, whatever its Mcp-Method'),
  RPC12: gw('legacy', 'a posted response reaches the upstream session that asked, never another'),
  RPC13: must('all', 'unknown fields, keys and methods pass unmodified'),
  RPC14: gw('all', 'big numbers and key order survive: bytes are relayed'),
  RPC15: mustNot('26', 'network $refs are never dereferenced'),

  // Status and error codes
  ER1: must('26', 'an unknown method is 404 and -32601 with the request id'),
  ER2: must('26', 'removed methods are unknown'),
  ER3: must('26', '-32602 with 400 is for a missing or malformed _meta only'),
  ER4: must('26', 'an undeclared capability that is needed is 400 and -32021'),
  ER5: mustNot('26', 'own errors stay out of the reserved codes'),
  ER6: must('26', 'an error carries the request id whenever it could be read'),
  ER7: must('26', 'an invalid Origin is 403'),
  ER8: gw('all', "the upstream's status of a JSON-RPC error comes back as it was"),
  ER9: gw('all', 'unreachable 502, timeout 504, overload 503 with Retry-After, too large 413'),
  ER10: must('legacy', 'an unknown method is -32601 in a normal 200'),
  ER11: must('26', 'a resource that is not found is -32602, never empty contents'),
  ER12: must('11', '-32042 comes back with the elicitations it names'),
  ER13: gw('all', 'an event stream that has begun keeps its 200; later errors travel inside it'),
  ER14: gw('all', 'an upstream stream that ends without its response ends in an error for the waiting id'),

  // Sessions
  SS1: must('legacy', 'session ids cannot be predicted'),
  SS2: must('legacy', 'a missing session id is 400, except on initialize'),
  SS3: must('legacy', 'an ended session is 404'),
  SS5: mustNot('legacy', 'a session id is no authentication: every request is authenticated anew'),
  SS7: gw('legacy', 'a session of one server is 404 on another'),
  SS8: must('legacy', 'an upstream 404 for a session reaches the client, which starts over'),
  SS9: mustNot('26', 'nothing depends on earlier requests of a connection'),
  SS10: gw('all', 'a connection is neither a session nor a user; upstream sessions are never shared'),
  SS11: gw('legacy', 'idle expiry spares sessions with an open stream, and tells the upstream'),
  SS12: gw('legacy', 'DELETE ends the streams in flight; what comes after is 404'),

  // Event streams
  SE1: must('legacy', 'a POST stream carries what belongs to its request, then the response'),
  SE5: must('26', 'a disconnect cancels: upstream work is aborted at once'),
  SE6: must('legacy', 'event ids are unique across the streams of a session'),
  SE7: mustNot('legacy', 'only messages of the stream an id belongs to are replayed'),
  SE8: gw('legacy', 'the replay store is bounded and scoped to principal and server'),
  SE9: must('legacy', 'a GET stream carries no response, except when it resumes'),
  SE10: mustNot('legacy', 'no message is sent on two streams'),
  SE12: mustNot('26', 'no stream carries a request from the server'),
  SE14: must('26', 'tools/call is never sent again silently'),
  SE15: gw('all', 'silence is kept alive by comment lines'),
  SE16: gw('all', 'events are sent at once, under backpressure, in bounded buffers'),
  SE17: gw('all', 'no timeout of the HTTP client cuts a quiet stream'),
  SE18: gw('all', 'CR, LF and CRLF end lines; chunks may split a character'),

  // Server push
  PU2: gw('legacy', 'requests of the server on the GET stream are carried'),
  PU3: must('legacy', 'the server sees exactly the capabilities the client declared'),
  PU4: must('legacy', 'ping is answered in both directions'),
  PU6: gw('legacy', "the upstream GET opens with the client's; its 405 is the client's 405"),

  // Lifecycle
  LC1: must('legacy', 'initialize with another version is answered with one the server supports, never with an error'),
  LC3: must('legacy', 'notifications/initialized follows and is 202'),
  LC4: must('legacy', 'no capability is advertised that is not carried'),
  LC5: gw('legacy', 'the version is negotiated between client and server; the gateway follows it'),
  LC6: mustNot('legacy', 'initialize is never cancelled'),
  LC7: gw('legacy', 'a second initialize on a live session is refused'),
  LC9: gw('legacy', 'serverInfo, instructions and capabilities pass through'),

  // Utilities
  UT1: must('all', 'progress tokens come back with the same type and value, to the client that gave them'),
  UT2: must('11', "a task's progress token is valid until the task ends", TASKS),
  UT3: must('26', 'progress and log notifications stay on the stream of their request'),
  UT4: must('legacy', 'a cancellation reaches the request it names, in its own direction, and no other'),
  UT5: must('26', 'cancelled ends subscriptions/listen only'),
  UT6: mustNot('26', 'no log message without a logLevel in the request'),
  UT8: must('all', 'cursors are opaque, the empty one too'),
  UT10: must('26', 'trace context in _meta stays valid'),
  UT11: must('all', 'rates are limited', HOST),

  // Authorization
  AU2: must('06,11,26', 'metadata of RFC 9728 is served, with at least one authorization server'),
  AU3: must('all', 'a 401 says in WWW-Authenticate where it is'),
  AU4: gw('all', 'it is at the root of the origin too; one document for each server, without a token, with CORS'),
  AU5: must('all', 'resource is the URI of this endpoint, from the configuration, never from a header'),
  AU6: must('all', '401 for no, a bad or an expired token, 403 for a scope that lacks, 400 for what is malformed'),
  AU7: must('26', 'all scopes that are needed are named; a broader scope stands for narrower ones'),
  AU8: must('all', 'issuer, signature, expiry and audience are validated; tokens for others are refused'),
  AU9: must('all', 'every request is authorized, in a session too; a token in the query is refused'),
  AU10: gw('all', 'authentication comes before the body and the era; metadata and preflights need none'),

  // Credentials for upstreams
  AU12: gw('all', "an upstream's 401 or 403 is 502, and its WWW-Authenticate never crosses"),
  AU14: mustNot('all', "the client's token is never passed on to an upstream"),
  AU15: must('all', "tokens are asked for with the upstream's resource, of the issuer that the metadata names"),

  // Security
  SC1: must('all', 'Origin is checked on POST, GET and DELETE; a foreign one is 403, none is let in'),
  SC2: gw('all', 'Host is checked against an allow-list'),
  SC4: must('all', 'no fetched URL leads where it should not (SSRF)'),
  SC5: must('all', 'holding an id proves nothing: it is bound to the principal'),
  SC6: gw('all', 'no CR, LF or NUL gets into a header; bodies, batches and streams have bounds'),
  SC7: must('all', 'no secret gets into a log or an error'),
  SC8: mustNot('all', 'clientInfo and serverInfo are no identity'),
  SC9: gw('all', 'duplicate headers, duplicate JSON keys and keys that fold cannot make gateway and upstream disagree'),
  SC10: gw('all', 'no request smuggling, no path traversal, no __proto__'),
  SC11: must('all', 'metadata and consent pages cannot be framed'),
}
