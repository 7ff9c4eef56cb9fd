/**
 * `express-mcp-gateway/stdio`: servers that are child processes. Only this entry point can start processes.
 *
 * @module express-mcp-gateway/stdio
 */
export type { EnvironmentVariables } from './environment.ts'
export { stdio, type StderrContext, type StdioContext, type StdioOptions } from './stdio.ts'
