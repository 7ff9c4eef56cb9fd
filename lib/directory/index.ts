/**
 * `express-mcp-gateway/directory`: the list of servers, for people and for programs, beside a gateway.
 *
 * @module express-mcp-gateway/directory
 */
export { serverDirectory, type DirectoryHandler, type ServerDirectory } from './directory.ts'
export type { ActivityHook, ListServers, ServerDirectoryOptions } from './settings.ts'
