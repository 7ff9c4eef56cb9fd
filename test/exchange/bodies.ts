// Bodies of replies for tests: chunks as they are wanted, any end, and all that a reader gets of them.
import { type Body, COMPLETE, type End, type Sink } from '../../lib/exchange/body.ts'

const ENDS: Readonly<Record<'ends' | 'breaks', End>> = {
  ends: COMPLETE,
  breaks: { how: 'broken', error: new Error('broken') },
}

/** A body that gives its chunks to whoever pipes, each as a whole stretch, and keeps what is not wanted or given back. */
export function bodyOf(chunks: readonly (string | Buffer)[], end: 'ends' | 'breaks' | 'goes on' = 'ends'): Body {
  let waiting: Buffer[] = chunks.map((chunk) => Buffer.from(chunk))
  let sink: Sink | undefined
  function flow(): void {
    for (const before = sink; before && sink === before;) {
      const chunk = waiting.shift()
      if (chunk === undefined) {
        if (end !== 'goes on') before.end(ENDS[end])
        return
      }
      if (!before.data(chunk, true)) return
    }
  }
  return {
    pipe(next) {
      sink = next
      flow()
    },
    unread(given) {
      sink = undefined
      waiting = [...given, ...waiting]
    },
    resume: flow,
    cancel() {
      sink = undefined
    },
    drain: () => {},
    whole: () => undefined,
  }
}

/** What a reader gets: all the bytes there are now, and how they ended. */
export function readAll(body: Body): { readonly bytes: string; readonly end: End | undefined } {
  const received: Buffer[] = []
  let end: End | undefined
  body.pipe({
    data: (chunk) => received.push(chunk) > 0,
    end: (how) => void (end = how),
  })
  return { bytes: Buffer.concat(received).toString(), end }
}
