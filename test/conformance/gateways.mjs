// @ts-check
// The kinds of gateway that legs run through, by name: what each is given beside a server's URL.

import { randomBytes } from 'node:crypto'

/**
 * @typedef {typeof import('../../lib/index.ts')} Lib
 * @typedef {Partial<import('../../lib/index.ts').GatewayOptions>} Options
 * @typedef {keyof typeof GATEWAYS} GatewayName
 */

/** Whatever is not said here is as in `plain`. @satisfies {Record<string, (url: string, lib: Lib) => Options>} */
export const GATEWAYS = {
  plain: () => ({}),
  'event log': (_url, { MemoryEventLog }) => ({ events: new MemoryEventLog() }),
  recover: (url) => ({ servers: { everything: { url, recover: true } } }),
  sealed: (_url, { SealedSessionStore }) => ({ sessions: new SealedSessionStore({ keys: [randomBytes(32)] }) }),
  // Somebody must be asking for what is private to be kept, too.
  cache: () => ({ cache: true, authenticate: () => ({ id: 'somebody' }) }),
}

/** @param {string} name @returns {name is GatewayName} */
export const isGatewayName = (name) => Object.hasOwn(GATEWAYS, name)
