// @ts-check
// The MCP server at the end of a pipe, without an SDK, so that it costs little: `respond()` in the gateway's process, or
// `node pipe-server.mjs` on stdin and stdout.
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { answer, handshake, resultOf, toolText, VERSION_FIELD } from './answers.mjs'
import { placeOther } from './harness/cores.mjs'

/** @param {import('./answers.mjs').Message} message @returns {object | undefined} nothing to a notification */
export function respond(message) {
  if (message.id === undefined) return undefined
  if (message.method === 'initialize') return handshake(message)
  const modern = message.params?._meta?.[VERSION_FIELD] !== undefined
  if (message.method === 'tools/call') return answer(message, toolText(message), modern)
  return resultOf(message, modern)
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  placeOther(process.pid)
  for await (const line of createInterface({ input: process.stdin })) {
    const response = respond(JSON.parse(line))
    if (response) process.stdout.write(`${JSON.stringify(response)}\n`)
  }
}
