// The app of fixtures/traced-app.mjs: a process of its own, since instrumentation patches modules as node loads them.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { TracedAppConfig } from '../fixtures/traced-app.mjs'
import { createJournal, type Journal } from './journal.ts'

export interface Span {
  readonly kind: 'SERVER' | 'CLIENT' | 'INTERNAL'
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentId: string | undefined
  readonly attributes?: Readonly<Record<string, unknown>>
}

export interface TracedApp {
  readonly spans: Journal<Span>
  url(server: string): string
  close(): Promise<void>
}

export async function startApp(config: TracedAppConfig): Promise<TracedApp> {
  const script = join(import.meta.dirname, '..', 'fixtures', 'traced-app.mjs')
  const child = fork(script, [JSON.stringify(config)], { execArgv: [] })
  const exited = once(child, 'exit')
  const spans = createJournal<Span>()
  const ports = createJournal<number>()
  child.on('message', ({ port, span }: { port?: number; span?: Span }) => {
    if (port !== undefined) ports.record(port)
    if (span !== undefined) spans.record(span)
  })
  const early = exited.then(([code]) => Promise.reject(new Error(`The app exited with ${String(code)}`)))
  const port = await Promise.race([ports.next(), early])
  early.catch(() => {})
  return {
    spans,
    url: (server) => `http://127.0.0.1:${port}/mcp/${server}/mcp`,
    async close() {
      child.send('close')
      expect(await exited).toEqual([0, null])
    },
  }
}
