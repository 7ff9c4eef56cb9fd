/** `express-mcp-gateway/stdio`: servers that are child processes. An app that does not import it has no code that spawns. */
export type { EnvironmentVariables } from './environment.ts'
export { stdio, type StderrContext, type StdioContext, type StdioOptions } from './stdio.ts'
