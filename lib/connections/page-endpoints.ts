/** The pages of connections, by path. */
import type { ServerResponse } from 'node:http'
import { GatewayError } from '../errors.ts'
import { PageFault } from '../pages/browser.ts'
import { answerAt, type Endpoint } from '../pages/endpoint.ts'
import { BadForm, splitUrl } from '../pages/forms.ts'
import type { GatewayRequest } from '../types.ts'
import { CallbackEndpoint } from './callback-endpoint.ts'
import { LinkEndpoint } from './link-endpoint.ts'
import { ListEndpoint } from './list-endpoint.ts'
import type { PageParts } from './page-parts.ts'
import { clientDocument } from './client-document.ts'
import type { UserConnections } from './types.ts'

export function connectionPages(parts: PageParts): UserConnections['pages'] {
  const { config } = parts
  const list = new ListEndpoint(parts)
  const link = new LinkEndpoint(parts)
  const callback = new CallbackEndpoint(parts)
  const document = (_request: GatewayRequest, response: ServerResponse): void => clientDocument(config, response)
  const listed: Endpoint = {
    GET: (request, response) => list.list(request, response),
    POST: (request, response) => list.disconnect(request, response),
  }
  const fixed = new Map<string, Endpoint>([
    [config.path, listed],
    [`${config.path}/`, listed],
    [`${config.path}/callback`, { GET: (request, response) => callback.answer(request, response) }],
    [`${config.path}/client.json`, { GET: document, HEAD: document }],
  ])
  const links = `${config.path}/link/`

  function endpointAt(path: string): Endpoint | undefined {
    const known = fixed.get(path)
    if (known || !path.startsWith(links)) return known
    const id = path.slice(links.length)
    if (!/^[\w-]{24}$/.test(id)) return undefined
    return {
      GET: (request, response) => link.ask(id, request, response),
      POST: (request, response) => link.answer(id, request, response),
    }
  }

  return (request, response, next) => {
    const endpoint = endpointAt(splitUrl(request)[0])
    if (endpoint) {
      const report = (error: unknown): void => config.report(error, { request })
      const faults = { title: config.title, viewOf: (error: unknown) => viewOf(error, report), report }
      return void answerAt(endpoint, request, response, faults)
    }
    if (next) return next()
    response.writeHead(404, { 'content-length': 0 }).end()
  }
}

function viewOf(error: unknown, report: (error: unknown) => void): PageFault['view'] {
  if (error instanceof PageFault) return error.view
  if (error instanceof BadForm) return { status: 400, heading: 'This form cannot be read', words: `${error.message}.` }
  report(error)
  const status = error instanceof GatewayError ? error.status : 500
  return { status, heading: 'This does not work right now', words: 'Nothing was connected. Try again in a while.' }
}
