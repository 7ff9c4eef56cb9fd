// Serves one SDK server per session over Streamable HTTP, the same way for both generations of the SDK.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createJournal, type Journal } from './journal.ts'
import { listen } from './listen.ts'

/** What both generations of the SDK's node transport have in common. */
export interface SessionTransport {
  handleRequest(req: IncomingMessage, res: ServerResponse): Promise<void>
  close(): Promise<void>
}

/** What the tools of a test server tell the test. */
export type Happening = 'GET' | 'DELETE' | 'slow started' | 'slow cancelled'

export interface RunningServer {
  readonly url: string
  readonly happenings: Journal<Happening>
  /** Waits until this has happened (once more). */
  happened(what: Happening): Promise<Happening>
  /** Makes the tool `impatient` cancel the question it has put to the client. */
  giveUp(): void
  close(): Promise<void>
}

/** What a test server is given to work with. */
export interface Stage {
  record(what: Happening): void
  /** Aborts at the next `giveUp()` of the test. */
  readonly givenUp: AbortSignal
}

/** Makes a server for a new session and connects it; tells `opened` the id as soon as there is one. */
export type OpenSession = (stage: Stage, opened: (id: string) => void) => Promise<SessionTransport>

/** `first` may take a request before the sessions see it; it says whether it did. */
export async function serveSessions(
  open: OpenSession,
  first: (req: IncomingMessage, res: ServerResponse) => Promise<boolean> = () => Promise.resolve(false),
): Promise<RunningServer> {
  const transports = new Map<string, SessionTransport>()
  const happenings = createJournal<Happening>()
  let patience = new AbortController()
  const stage: Stage = {
    record: happenings.record,
    get givenUp() {
      return patience.signal
    },
  }

  async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (await first(req, res)) return
    const id = req.headers['mcp-session-id']
    if (typeof id === 'string') {
      const transport = transports.get(id)
      if (transport === undefined) return void res.writeHead(404).end()
      if (req.method === 'GET' || req.method === 'DELETE') happenings.record(req.method)
      return transport.handleRequest(req, res)
    }
    const transport = await open(stage, (opened) => transports.set(opened, transport))
    return transport.handleRequest(req, res)
  }

  const listening = await listen((req, res) => {
    handle(req, res).catch((error: unknown) => {
      console.error('the test server failed:', error)
      res.destroy()
    })
  })

  return {
    url: `${listening.origin}/mcp`,
    happenings,
    happened: (what) => happenings.next((happening) => happening === what),
    giveUp() {
      patience.abort('gave up')
      patience = new AbortController()
    },
    async close() {
      await Promise.all([...transports.values()].map((transport) => transport.close()))
      await listening.close()
    },
  }
}
