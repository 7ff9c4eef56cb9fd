/** What an intercepted call needs, and what the stream of its reply needs to know of it. */
import type { End } from '../../exchange/body.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Lifetime } from '../../exchange/lifetime.ts'
import type { RequestMessage, ResponseMessage } from '../../exchange/message.ts'
import type { EventsReply, Reply } from '../../exchange/reply.ts'
import type { Json, UpstreamState } from '../../types.ts'
import type { Deadlines } from '../../util/deadlines.ts'
import type { ChainEntry } from './interceptor-set.ts'
import type { ChainSubject } from './layer-message.ts'

export interface InterceptedCallParts {
  readonly exchange: Exchange
  readonly message: RequestMessage
  readonly entries: readonly ChainEntry[]
  readonly findTool: ChainSubject['findTool']
  /** Sends the request on. The lifetime is stopped before the exchange's when an interceptor answers without waiting. */
  readonly send: (params: Json, life: Lifetime) => Promise<Reply>
  /** Runs the messages of the server's stream through their interceptors; the response is given to `call`. */
  readonly listen: (reply: EventsReply, call: CallStream) => Reply
  /** Runs the input requests of a result through their interceptors; `undefined` where there are none to run. */
  readonly screen: undefined | ((response: ResponseMessage, params: Json, life: Lifetime) => Promise<ResponseMessage>)
  /** Ends the server's session when interceptors refuse the handshake that opened it. */
  readonly endSession: (opened: UpstreamState) => void
  readonly deadlines: Deadlines
  readonly timeoutMs: number
  readonly report: (error: unknown) => void
}

/** What the stream of a call needs to know of it. */
export interface CallStream {
  readonly requestId: RequestMessage['id']
  /** Resolves with the text that replaces the server's response, or with `undefined` to relay it unchanged. */
  onResponse(response: ResponseMessage): Promise<string | undefined>
  /** Resolves with the response to end the stream with, when the server sent none. */
  onEnd(end: End): Promise<string | undefined>
  /** Whether the client has been sent its response. */
  readonly isAnswered: () => boolean
}
