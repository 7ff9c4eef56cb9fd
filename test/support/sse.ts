// Splits an event stream into events, comments and priming events included. Independent of the parser the library uses.

export interface SseEvent {
  readonly id: string | undefined
  readonly event: string | undefined
  readonly data: string
  readonly retry: string | undefined
  readonly comments: string[]
  /** The lines of the event as they came, without the blank line that ends it. */
  readonly raw: string
}

export interface EventReader {
  feed(text: string): void
  /** Whole events not taken yet. */
  readonly events: SseEvent[]
}

export function readEvents(): EventReader {
  const events: SseEvent[] = []
  let rest = ''
  return {
    events,
    feed(text) {
      // Where a blank line may have become whole: a long event is not looked through again for each chunk.
      blankLine.lastIndex = Math.max(0, rest.length - 4)
      rest += text
      for (let end = blankLine.exec(rest); end !== null; end = blankLine.exec(rest)) {
        const raw = rest.slice(0, end.index)
        rest = rest.slice(end.index + end[0].length)
        blankLine.lastIndex = 0
        // The LF of a CRLF that was cut in two belongs to the blank line before it.
        if (raw.trim() !== '') events.push(parseEvent(raw.replace(/^\n/, '')))
      }
    },
  }
}

// A CR counts as a line end of its own only when no LF follows: CRLF is one line end, not two.
const blankLine = /(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)/g

function parseEvent(raw: string): SseEvent {
  const fields = new Map<string, string[]>()
  for (const line of raw.split(/\r\n|\n|\r/)) {
    const colon = line.indexOf(':')
    const name = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '')
    fields.set(name, [...(fields.get(name) ?? []), value])
  }
  return {
    id: fields.get('id')?.at(-1),
    event: fields.get('event')?.at(-1),
    data: fields.get('data')?.join('\n') ?? '',
    retry: fields.get('retry')?.at(-1),
    comments: fields.get('') ?? [],
    raw,
  }
}
