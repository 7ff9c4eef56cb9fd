// A gateway with a directory beside it in an Express app, and what both reported.
import express from 'express'
import supertest from 'supertest'
import { type Gateway, type GatewayOptions, mcpGateway } from '../../lib/index.ts'
import { serverDirectory, type ServerDirectory, type ServerDirectoryOptions } from '../../lib/directory/index.ts'
import { createJournal, type Journal } from '../support/journal.ts'
import { listen } from '../support/listen.ts'

export interface RunningDirectory {
  readonly gateway: Gateway
  readonly directory: ServerDirectory
  readonly origin: string
  /** The mount. */
  readonly url: string
  readonly agent: ReturnType<typeof supertest>
  readonly reported: Journal<Error>
  close(): Promise<void>
}

export interface DirectoryParts {
  readonly gateway?: Partial<GatewayOptions>
  readonly directory?: Omit<ServerDirectoryOptions, 'gateway'>
  readonly app?: express.Express
}

/** A person's browser says this. */
export const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'

export async function startDirectory({ gateway: given, directory: options, app = express() }: DirectoryParts) {
  const reported = createJournal<Error>()
  const onError = (error: Error): void => reported.record(error)
  const gateway = mcpGateway({ servers: {}, authenticate: false, ...given, onError })
  const directory = serverDirectory({ gateway, ...options })
  app.use(directory.catalog('/mcp-servers'))
  app.use('/mcp-servers', gateway, directory)
  app.use((_request, response) => void response.status(418).send('the host'))
  const listening = await listen(app)
  const running: RunningDirectory = {
    gateway,
    directory,
    origin: listening.origin,
    url: `${listening.origin}/mcp-servers`,
    agent: supertest(listening.server),
    reported,
    async close() {
      await gateway.close({ graceMs: 0 })
      await listening.close()
    },
  }
  return running
}

/** Two people, known by a header. */
export function authenticate({ headers }: { headers: Record<string, string | string[] | undefined> }) {
  const id = headers['x-user']
  return typeof id === 'string' ? { id } : undefined
}
