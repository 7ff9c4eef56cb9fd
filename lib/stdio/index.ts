/** `express-mcp-gateway/stdio`: servers that are child processes. Only this entry point can start processes. */
export type { EnvironmentVariables } from './environment.ts'
export { stdio, type StderrContext, type StdioContext, type StdioOptions } from './stdio.ts'
