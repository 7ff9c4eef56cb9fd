/**
 * Subpath `./testing`: the contracts of SessionStore, EventLog and LoginStore, as tests that any runner can run.
 *
 *     for (const { name, fn } of sessionStoreContract({ create: () => new MyStore() })) test(name, fn)
 *     for (const { name, fn } of eventLogContract({ create: () => new MyLog() })) test(name, fn)
 *     for (const { name, fn } of loginStoreContract({ create: () => new MyStore() })) test(name, fn)
 *
 * @module express-mcp-gateway/testing
 */
export type { ContractTest } from './contracts/contract.ts'
export { eventLogContract, type EventLogFactory } from './contracts/event-logs.ts'
export { loginStoreContract, type LoginStoreFactory } from './contracts/login-stores.ts'
export { sessionStoreContract, type SessionStoreFactory } from './contracts/session-stores.ts'
