// @ts-check
// The tools of every server in a chaos run. Each is told which call it is for, writes down that it runs, and answers with
// the call and the principal that the server knows it has been asked by.
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { inputRequired, inputResponse, McpServer } from '@modelcontextprotocol/server'
import * as z from 'zod'

/**
 * @typedef {import('@modelcontextprotocol/server').ServerContext} ServerContext
 * @typedef {{ call: string, steps: number, ms: number }} Work
 * @typedef {object} Place where a server is, and for whom
 * @property {string} name
 * @property {'legacy' | 'modern'} era
 * @property {(context: ServerContext) => string} principalOf
 */

/** Longer than anybody needs for an answer, so that a question nobody answers does not keep its tool for ever. */
const ANSWER_MS = 20_000

const schema = z.object({ call: z.string(), steps: z.number(), ms: z.number() })

/** Is written at once, so that a process that is killed has said what it did. @param {object} entry */
export function note(entry) {
  appendFileSync(String(process.env['CHAOS_JOURNAL']), `${JSON.stringify(entry)}\n`)
}

/** @param {Place} place */
export function createServer({ name, era, principalOf }) {
  const capabilities = { tools: {}, logging: {} }
  const options = { capabilities, inputRequired: { roundTimeoutMs: ANSWER_MS } }
  const server = new McpServer({ name, version: '1.0.0' }, options)

  /** @type {(tool: string, run: (work: Work, context: ServerContext, principal: string) => Promise<any>) => void} */
  const register = (tool, run) =>
    void server.registerTool(tool, { description: tool, inputSchema: schema }, async (work, context) => {
      const principal = principalOf(context)
      const isAgain = context.mcpReq.inputResponses !== undefined
      note({ at: isAgain ? 'again' : 'begin', call: work.call, principal, name })
      const result = await run(work, context, principal)
      if (result.content) note({ at: 'done', call: work.call, principal, name })
      return result
    })

  /** @param {object} said */
  const answer = (said) => ({ content: [{ type: /** @type {const} */ ('text'), text: JSON.stringify(said) }] })

  register('echo', async ({ call }, _context, principal) => answer({ call, principal }))

  register('slow', async ({ call, steps, ms }, { mcpReq }, principal) => {
    const progressToken = mcpReq._meta?.progressToken
    for (let progress = 1; progress <= steps; progress += 1) {
      await sleep(ms, undefined, { signal: mcpReq.signal })
      if (progressToken === undefined) continue
      const message = JSON.stringify({ call, principal })
      await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, message } })
    }
    return answer({ call, principal })
  })

  register('poll', async ({ call, ms }, { http, mcpReq }, principal) => {
    http?.closeSSE?.()
    await sleep(ms, undefined, { signal: mcpReq.signal })
    return answer({ call, principal })
  })

  register('ask', async ({ call }, { mcpReq }, principal) => {
    const question = { message: JSON.stringify({ call, principal }), requestedSchema: form }
    const given = inputResponse(mcpReq.inputResponses, 'said')
    if (given.kind === 'elicit') return answer({ call, principal, said: given.content?.['said'] })
    return inputRequired({ inputRequests: { said: inputRequired.elicit(question) } })
  })

  // In the session's own stream, where nothing but the session says whose question it is.
  register('ask_in_session', async ({ call }, _context, principal) => {
    const question = { message: JSON.stringify({ call, principal }), requestedSchema: form }
    const { content } = await server.server.elicitInput(question, { timeout: ANSWER_MS })
    return answer({ call, principal, said: content?.['said'] })
  })

  // Something in the session's own stream, too, which nobody waits for.
  register('tell', async ({ call }, _context, principal) => {
    if (era === 'legacy') {
      const params = { level: /** @type {const} */ ('info'), data: { call, principal } }
      await server.server.notification({ method: 'notifications/message', params })
    }
    return answer({ call, principal })
  })

  return server
}

const form = {
  type: /** @type {const} */ ('object'),
  properties: { said: { type: /** @type {const} */ ('string') } },
  required: ['said'],
}
