/** Endpoints of pages by method, and the pages that they answer where they fail. */
import type { ServerResponse } from 'node:http'
import type { GatewayRequest } from '../types.ts'
import { type AppPages, type PageFault, sendFault } from './browser.ts'

/** An endpoint, by method. */
export type Endpoint = Readonly<
  Record<string, (request: GatewayRequest, response: ServerResponse) => void | Promise<void>>
>

export interface EndpointFaults {
  readonly title: AppPages['title']
  /** The page for what an endpoint throws. */
  readonly viewOf: (error: unknown) => PageFault['view']
  readonly report: (error: unknown) => void
}

/** Answers a request; what fails becomes a page. */
export async function answerAt(
  endpoint: Endpoint,
  request: GatewayRequest,
  response: ServerResponse,
  { title, viewOf, report }: EndpointFaults,
): Promise<void> {
  try {
    const handle = endpoint[request.method ?? '']
    if (!handle) {
      const allow = Object.keys(endpoint).join(', ')
      return void response.writeHead(405, { allow, 'content-length': 0 }).end()
    }
    await handle(request, response)
  } catch (error) {
    if (response.headersSent) {
      report(error)
      return void response.destroy()
    }
    sendFault(response, viewOf(error), { title })
  }
}
