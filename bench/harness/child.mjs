// @ts-check
// The child's end of the talk between run.mjs and its child processes: answers questions, ends with its parent.

/** @typedef {{ id: number, ask: string, args: unknown }} Question */

/**
 * Tells the parent what came of starting, then answers its questions.
 * @param {Record<string, (args: any) => unknown>} answers
 * @param {object} started
 */
export function serve(answers, started) {
  process.on('message', (/** @type {Question} */ question) => void answer(answers, question))
  // Without a parent nobody would end us. Ctrl-C reaches the whole terminal group: the parent decides.
  process.on('disconnect', () => process.exit())
  process.on('SIGTERM', () => process.exit())
  process.on('SIGINT', () => {})
  reply({ id: 0, value: started })
}

/** @param {Record<string, (args: any) => unknown>} answers @param {Question} question */
async function answer(answers, { id, ask, args }) {
  try {
    reply({ id, value: await answers[ask]?.(args) })
  } catch (error) {
    reply({ id, error: error instanceof Error ? error.message : String(error) })
  }
}

/** @param {object} message */
function reply(message) {
  if (process.connected) process.send?.(message)
}
