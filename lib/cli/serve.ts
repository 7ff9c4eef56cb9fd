/** Serves the servers of a file over HTTP, until the process is told to end. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serverDirectory } from '../directory/directory.ts'
import { endpointPath } from '../directory/urls.ts'
import { mcpGateway } from '../gateway.ts'
import { bearerToken } from '../inbound/access/bearer.ts'
import type { AuditRecord, GatewayRequest, Principal, ServerConfig } from '../types.ts'
import { CommandError, EXIT } from './command-error.ts'
import { diagnose } from './diagnosis.ts'
import { plainText } from './plain-text.ts'

export interface ServeOptions {
  readonly servers: Readonly<Record<string, ServerConfig>>
  readonly host: string
  readonly port: number
  readonly apiKey: string | undefined
  readonly page: boolean
  readonly verbose: boolean
  /** The title of the page. */
  readonly title: string
}

/** A running gateway. */
export interface Served {
  /** The URL of the page, with a slash at its end. */
  readonly origin: string
  endpointOf(name: string): string
  /** Refuses what is new, and waits for what is under way, for at most five seconds. */
  close(): Promise<void>
}

/** How many ports after a taken one are tried, to name a free one. */
const PORTS_TRIED = 100

/** Rejects with a CommandError when the port cannot be had. */
export async function serve(options: ServeOptions, log: (line: string) => void): Promise<Served> {
  const { servers, apiKey, verbose, title } = options
  const gateway = mcpGateway({
    servers,
    authenticate: apiKey === undefined ? false : keyHolder(apiKey),
    onError(error, { server }) {
      const { code, reason, cure } = diagnose(error, servers[server ?? ''])
      const why = cure === undefined ? reason : `${reason}; ${cure}`
      log(`${server === undefined ? '' : `${plainText(server)}: `}${code}: ${why}`)
    },
    ...(verbose && { audit: (record: AuditRecord) => log(lineOfRecord(record)) }),
  })
  const clientHeaders = apiKey === undefined ? {} : { Authorization: 'Bearer YOUR-KEY' }
  const directory = options.page ? serverDirectory({ gateway, title, clientHeaders, activity: () => true }) : undefined
  const http = createServer((request, response) => {
    const notFound = (): void => void response.writeHead(404, { 'content-type': 'text/plain' }).end('Not found\n')
    gateway(request, response, () => (directory ? directory(request, response, notFound) : notFound()))
  })
  const { host } = options
  try {
    await listenOn(http, options.port, host)
  } catch (error) {
    await gateway.close({ graceMs: 0 })
    throw await portFault(error as NodeJS.ErrnoException, options)
  }
  const { port } = http.address() as AddressInfo
  const origin = `http://${host.includes(':') ? `[${host}]` : host}:${port}`
  return {
    origin: `${origin}/`,
    endpointOf: (name) => origin + endpointPath({ path: '/:name/mcp' }, name),
    async close() {
      const closed = new Promise((resolve) => http.close(resolve))
      await gateway.close()
      http.closeAllConnections()
      await closed
    },
  }
}

/** Authenticates whoever sends the key. Digests are of one length, and comparing them takes the same time for any key. */
function keyHolder(apiKey: string): (request: GatewayRequest) => Principal | undefined {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  const wanted = digest(apiKey)
  return (request) => {
    const token = bearerToken(request)
    return token !== undefined && timingSafeEqual(digest(token), wanted) ? { id: 'api-key' } : undefined
  }
}

function lineOfRecord({ server, from, method = '', target = '', outcome, code, durationMs }: AuditRecord): string {
  const what = plainText([server, from === 'client' ? '' : `(${from})`, method, target].filter(Boolean).join(' '))
  const how = code === undefined ? outcome : `${outcome} ${code}`
  return `${what}  ${how}  ${Math.round(durationMs)} ms`
}

function listenOn(http: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    http.once('error', reject)
    http.listen(port, host, () => {
      http.off('error', reject)
      resolve()
    })
  })
}

/** Another port is named, but not taken: the one that was asked for stands in the files of clients. */
async function portFault(
  { code, message }: NodeJS.ErrnoException,
  { port, host }: ServeOptions,
): Promise<CommandError> {
  if (code === 'EADDRINUSE') {
    const free = await nextFreePort(port, host)
    const cure = free === undefined ? 'choose another with --port' : `--port ${free} is free`
    return new CommandError(`Port ${port} is taken: ${cure}`, EXIT.FAILED)
  }
  if (code === 'EACCES') return new CommandError(`Port ${port} needs rights: take one from 1024 on`, EXIT.FAILED)
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return new CommandError(`--host ${host} is no address of this machine`, EXIT.FAILED)
  }
  return new CommandError(`It cannot listen on ${host}, port ${port}: ${message}`, EXIT.FAILED)
}

async function nextFreePort(port: number, host: string): Promise<number | undefined> {
  for (let next = port + 1; next <= Math.min(65_535, port + PORTS_TRIED); next += 1) {
    const probe = createServer()
    try {
      await listenOn(probe, next, host)
      return next
    } catch {
      // Taken, too.
    } finally {
      probe.close()
    }
  }
  return undefined
}
