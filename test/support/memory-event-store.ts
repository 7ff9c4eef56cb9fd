// The events of an SDK v1 server, kept in memory: what makes its streams resumable.
import type { EventStore } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'

/** Ids say which stream they are of, and where in it. */
export class MemoryEventStore implements EventStore {
  readonly #streams = new Map<string, JSONRPCMessage[]>()

  storeEvent(stream: string, message: JSONRPCMessage): Promise<string> {
    const events = this.#streams.get(stream) ?? []
    this.#streams.set(stream, events)
    return Promise.resolve(`${stream}/${events.push(message)}`)
  }

  async replayEventsAfter(
    last: string,
    { send }: { send: (id: string, message: JSONRPCMessage) => Promise<void> },
  ): Promise<string> {
    const stream = last.slice(0, last.lastIndexOf('/'))
    const from = Number(last.slice(stream.length + 1))
    for (const [index, message] of (this.#streams.get(stream) ?? []).slice(from).entries()) {
      await send(`${stream}/${from + index + 1}`, message)
    }
    return stream
  }
}
