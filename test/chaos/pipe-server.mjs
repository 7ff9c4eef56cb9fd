// @ts-check
// A server on stdin and stdout, for the principal that its environment names.
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import { createServer } from './tools.mjs'

const principal = String(process.env['CHAOS_PRINCIPAL'])
serveStdio(({ era }) => createServer({ name: 'pipe', era, principalOf: () => principal }))
