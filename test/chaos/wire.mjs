// @ts-check
// Raw requests of the clients: a socket of its own for each, every message as it came, and how the connection ended.
import { request } from 'node:http'

/** Longer than the gateway's heartbeat of 15 s and the longest stop of a process together. */
const SILENCE_MS = 50_000

/**
 * @typedef {{ id: string | undefined, message: any }} Arrival `message` is undefined for an event without data
 * @typedef {'complete' | 'cut' | 'silent'} Ending `silent`: nothing came for longer than a heartbeat lets anything be
 * @typedef {object} Reply
 * @property {number} status 0 for a connection that broke before the head
 * @property {import('node:http').IncomingHttpHeaders} headers
 * @property {boolean} isStream
 * @property {() => AsyncGenerator<Arrival, Ending, undefined>} arrivals
 * @property {string} cause of status 0
 */

/**
 * @param {string} url
 * @param {{ method?: string, headers: Record<string, string>, message?: object, signal?: AbortSignal }} what
 * @returns {Promise<Reply>}
 */
export function send(url, { method = 'POST', headers, message, signal }) {
  return new Promise((resolve) => {
    const all = {
      accept: method === 'GET' ? 'text/event-stream' : 'application/json, text/event-stream',
      ...(message && { 'content-type': 'application/json' }),
      ...headers,
    }
    let isSilent = false
    const sent = request(url, { method, headers: all, agent: false, ...(signal && { signal }) }, (response) => {
      const isStream = String(response.headers['content-type']).startsWith('text/event-stream')
      response.on('error', () => {})
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        isStream,
        arrivals: () => (isStream ? events(response, () => isSilent) : document(response, () => isSilent)),
        cause: '',
      })
    })
    sent.setTimeout(SILENCE_MS, () => {
      isSilent = true
      sent.destroy(new Error('silent'))
    })
    sent.on('error', (error) => {
      const cause = /** @type {any} */ (error).code ?? error.message
      resolve({ status: 0, headers: {}, isStream: false, arrivals: none, cause })
    })
    sent.end(message && JSON.stringify(message))
  })
}

/** @returns {AsyncGenerator<Arrival, Ending, undefined>} */
// oxlint-disable-next-line require-yield -- it has none
async function* none() {
  return 'cut'
}

/** @param {import('node:http').IncomingMessage} response @param {() => boolean} isSilent @returns {AsyncGenerator<Arrival, Ending, undefined>} */
async function* document(response, isSilent) {
  let text = ''
  try {
    for await (const chunk of response.setEncoding('utf8')) text += chunk
  } catch {
    return isSilent() ? 'silent' : 'cut'
  }
  if (!response.complete) return 'cut'
  if (text !== '' && String(response.headers['content-type']).startsWith('application/json')) {
    yield { id: undefined, message: JSON.parse(text) }
  }
  return 'complete'
}

/** @param {import('node:http').IncomingMessage} response @param {() => boolean} isSilent @returns {AsyncGenerator<Arrival, Ending, undefined>} */
async function* events(response, isSilent) {
  let rest = ''
  try {
    for await (const chunk of response.setEncoding('utf8')) {
      rest += chunk
      for (let end = rest.indexOf('\n\n'); end !== -1; end = rest.indexOf('\n\n')) {
        const arrival = parse(rest.slice(0, end))
        rest = rest.slice(end + 2)
        if (arrival) yield arrival
      }
    }
  } catch {
    return isSilent() ? 'silent' : 'cut'
  }
  return response.complete ? 'complete' : 'cut'
}

/** @param {string} text @returns {Arrival | undefined} */
function parse(text) {
  let id
  const data = []
  for (const line of text.split('\n')) {
    if (line.startsWith('id:')) id = line.slice(3).trim()
    if (line.startsWith('data:')) data.push(line.slice(5).trim())
  }
  const json = data.join('\n')
  if (id === undefined && json === '') return undefined
  return { id, message: json === '' ? undefined : JSON.parse(json) }
}
