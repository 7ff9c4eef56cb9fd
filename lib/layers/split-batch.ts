/** Sends the messages of a batch one by one, for layers and upstreams that accept no batches. (2025-03-26, RPC5) */
import { GatewayError, isCode } from '../errors.ts'
import { answer, type Out } from '../exchange/answer.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { Layer } from '../exchange/layer.ts'
import type { BatchMessage } from '../exchange/message.ts'
import { readResponse } from '../exchange/read-response.ts'
import { drainReply, type Handle, type Reply } from '../exchange/reply.ts'
import type { RequestId, ServerConfig } from '../types.ts'

/** What takes no batches. */
export interface NeedsSingles {
  /** Whether anything behind this config may. */
  of(config: ServerConfig): boolean
  /** Whether anything does that this batch comes to. */
  for(exchange: Exchange): boolean
}

export class SplitBatch implements Layer {
  readonly name = 'splitBatch'
  readonly #needsSingles: NeedsSingles

  constructor(needsSingles: NeedsSingles) {
    this.#needsSingles = needsSingles
  }

  applies(config: ServerConfig): boolean {
    return this.#needsSingles.of(config)
  }

  handle(exchange: Exchange, next: Handle): Promise<Reply> {
    const { message } = exchange
    if (message?.kind !== 'batch' || !this.#needsSingles.for(exchange)) return next(exchange)
    if (exchange.requestIds.length === 0) return this.#accept(message, exchange, next)
    return answer(exchange, async (out) => ({
      text: `[${(await this.#request(message, exchange, next, out)).join(',')}]`,
    }))
  }

  /** A batch of responses and notifications is accepted if each of its messages is. */
  async #accept({ items }: BatchMessage, exchange: Exchange, next: Handle): Promise<Reply> {
    let refusal: Reply | undefined
    for (const message of items) {
      const reply = await next(exchange.with({ message }))
      if (reply.status >= 300) refusal ??= reply
      else drainReply(reply)
    }
    return refusal ?? { kind: 'empty', status: 202, headers: {} }
  }

  /**
   * Returns the responses as text, in the order of the batch. Messages before a response are forwarded as they arrive.
   */
  async #request({ items }: BatchMessage, exchange: Exchange, next: Handle, out: Out): Promise<string[]> {
    const answers = await Promise.all(
      items.map(async (message) => {
        const single = exchange.with({ message })
        try {
          const reply = await next(single)
          if (message.kind !== 'request') {
            drainReply(reply)
            return undefined
          }
          const response = await readResponse(reply, out)
          return response?.text ?? noAnswer(message.id)
        } catch (error) {
          if (exchange.life.stopped) throw exchange.life.stopped
          // The session is gone for every message, and only the HTTP status 404 tells the client so. (SS3, SS8)
          if (isCode(error, 'session_not_found')) throw error
          if (message.kind !== 'request' || exchange.origin.awaited([message.id]).length === 0) return undefined
          return error instanceof GatewayError ? error.toJsonRpc(message.id) : noAnswer(message.id)
        }
      }),
    )
    return answers.filter((text) => text !== undefined)
  }
}

function noAnswer(id: RequestId): string {
  return new GatewayError('upstream_broken', 'The server did not answer this request').toJsonRpc(id)
}
