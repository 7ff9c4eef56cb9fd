// @ts-check
// The kinds of gateway that legs run through, by name: what each is given beside the server behind.

import { randomBytes, randomUUID } from 'node:crypto'
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
import { brokenMembers } from './members.mjs'

/**
 * @typedef {import('./gateway.mjs').Lib} Lib
 * @typedef {import('../../lib/index.ts').ServerConfig} ServerConfig
 * @typedef {import('../../lib/index.ts').MemberServer} MemberServer
 * @typedef {Partial<import('../../lib/index.ts').GatewayOptions>} Options
 * @typedef {keyof typeof GATEWAYS} GatewayName
 */

/** @type {import('../../lib/index.ts').Interceptor} */
const PASS = { '*': (_message, next) => next() }

/** @param {ServerConfig} server @returns {Options} */
const bridge = (server) => ({ servers: { everything: { ...server, bridge: true } } })

/** Whatever is not said here is as in `plain`. @satisfies {Record<string, (server: ServerConfig, lib: Lib) => Options>} */
export const GATEWAYS = {
  plain: () => ({}),
  'event log': (_server, { MemoryEventLog }) => ({ events: new MemoryEventLog() }),
  recover: (server) => ({ servers: { everything: { ...server, recover: true } } }),
  sealed: (_server, { SealedSessionStore }) => ({ sessions: new SealedSessionStore({ keys: [randomBytes(32)] }) }),
  // Somebody must be asking for what is private to be kept, too.
  bridge,
  // Its questions are sealed and given to the client, and it remembers nothing of them.
  'bridge + keys': (server) => ({ ...bridge(server), keys: [randomBytes(32)] }),
  'bridge + log': (server, { MemoryEventLog }) => ({ ...bridge(server), events: new MemoryEventLog() }),
  // Requests go to each of two nodes in turn, so that every answer comes to the other one.
  'two bridges': (server) => ({ ...bridge(server), keys: [randomBytes(32)] }),
  'two bridges + log': (server, { MemoryEventLog }) => ({ ...bridge(server), events: new MemoryEventLog() }),
  'two nodes + log': (_server, { MemoryEventLog }) => ({ sessions: sharedStore(), events: new MemoryEventLog() }),
  cache: () => ({ cache: true, authenticate: () => ({ id: 'somebody' }) }),
  'aggregate of bridges': (server, lib) => ({
    servers: {
      everything: lib.aggregate(
        { fixture: /** @type {MemberServer} */ ({ ...server, bridge: true }), ...brokenMembers(lib) },
        { separator: false },
      ),
    },
  }),
  // Beside members that are broken, under the names that the suite knows.
  aggregate: (server, lib) => ({
    servers: {
      everything: lib.aggregate(
        { fixture: /** @type {MemberServer} */ (server), ...brokenMembers(lib) },
        { separator: false },
      ),
    },
  }),
  governed: (server, lib) => governed(server, lib),
  'governed + log': (server, lib) => ({ ...governed(server, lib), events: new lib.MemoryEventLog() }),
}

/** How many gateways stand beside each other, which share what they are given. @type {Partial<Record<GatewayName, number>>} */
export const NODES = { 'two bridges': 2, 'two bridges + log': 2, 'two nodes + log': 2 }

/** A store that several nodes share, as they share one in a database. @returns {import('../../lib/index.ts').SessionStore} */
function sharedStore() {
  /** @type {Map<string, import('../../lib/index.ts').SessionRecord>} */
  const records = new Map()
  return {
    create(record) {
      const id = randomUUID()
      records.set(id, record)
      return id
    },
    get: (id) => records.get(id),
    update: (id, record) => void (records.has(id) && records.set(id, record)),
    delete: (id) => void records.delete(id),
  }
}

/** @param {string} name @returns {name is GatewayName} */
export const isGatewayName = (name) => Object.hasOwn(GATEWAYS, name)

/**
 * All that inspects messages at once: every message passes an interceptor that changes nothing, on the gateway and on the
 * server, and has a record and spans, of which the server gets the trace context.
 * @param {ServerConfig} server
 * @param {Lib} lib
 * @returns {Options}
 */
function governed(server, { openTelemetry }) {
  // Without an SDK nothing would be said of traces.
  new NodeTracerProvider().register()
  return {
    intercept: PASS,
    servers: { everything: { ...server, intercept: PASS } },
    audit: () => {},
    telemetry: openTelemetry({ notifications: true, content: () => undefined }),
  }
}
