#!/usr/bin/env node
/** The executable `express-mcp-gateway`. No module of the package imports it. */
import { main } from './main.ts'

const exitCode = await main(process.argv.slice(2))
if (exitCode !== undefined) process.exitCode = exitCode
