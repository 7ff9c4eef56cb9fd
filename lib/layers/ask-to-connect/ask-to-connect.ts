/** The layer that asks the user to connect an account, in the client's era, where a server's `headers` function needs it. */
import { GatewayError } from '../../errors.ts'
import { answer, type Answer, jsonReply } from '../../exchange/answer.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Layer, UpstreamOf } from '../../exchange/layer.ts'
import { unlessStopped } from '../../exchange/lifetime.ts'
import { type Fault, type RequestMessage, responseText } from '../../exchange/message.ts'
import type { Handle, Reply } from '../../exchange/reply.ts'
import { ASKING, URL_ELICITATION_REQUIRED } from '../../protocol.ts'
import type { GatewayOptions, ServerConfig } from '../../types.ts'
import { isObject, member } from '../../util/json.ts'
import { Completions } from './completions.ts'
import { LinkOutcomes } from './link-outcomes.ts'
import { boundTo, LinkStates, ownInputs, ownStateIn } from './link-states.ts'
import {
  elicitationsOf,
  requiredText,
  inputRequiredText,
  opensUrls,
  requiredBy,
  type RequiredConnection,
} from './links.ts'

/** How long a retry is held for its user, in milliseconds: less than clients wait for a response (60 s in the SDKs). */
const HELD_MS = 25_000

const STALE: Fault = {
  code: -32602,
  message: '"requestState" is not valid here any more: send the request again without it',
}
const DECLINED: Fault = {
  code: URL_ELICITATION_REQUIRED,
  message: 'The account that the server needs was not connected: its user declined. Ask again to get a new link',
}

/** Opens an event stream. */
const COMMENT = Buffer.from(':\n\n')

interface AskToConnectParts {
  readonly upstreamOf: UpstreamOf
  readonly keys: GatewayOptions['keys']
  readonly report: (error: unknown, exchange: Exchange) => void
}

export class AskToConnect implements Layer {
  readonly name = 'askToConnect'
  readonly #upstreamOf: UpstreamOf
  readonly #states: LinkStates
  readonly #outcomes: LinkOutcomes
  readonly #completions: Completions

  constructor({ upstreamOf, keys, report }: AskToConnectParts) {
    this.#upstreamOf = upstreamOf
    this.#states = new LinkStates(keys)
    this.#outcomes = new LinkOutcomes(report)
    this.#completions = new Completions(this.#outcomes)
  }

  /** How many requests wait for a user, how many links are watched, and for how many sessions. */
  get load(): { readonly waiting: number; readonly watched: number; readonly sessions: number } {
    return { waiting: this.#outcomes.size, ...this.#completions.load }
  }

  applies(config: ServerConfig): boolean {
    return 'headers' in config && typeof config.headers === 'function'
  }

  handle(exchange: Exchange, next: Handle): Promise<Reply> {
    const { message, verb, isOwn } = exchange
    // Whoever speaks for the gateway itself, such as an aggregate, words the error for its own client.
    if (isOwn || verb === 'DELETE') return next(exchange)
    if (verb === 'GET') return this.#listen(exchange, next)
    if (message?.kind === 'request' && message.era === 'modern' && ASKING.has(message.method)) {
      const state = ownStateIn(message)
      if (state !== undefined) return this.#retry(message, state, exchange, next)
    }
    return next(exchange).catch((error: unknown) => this.#ask(error, exchange))
  }

  /** The reply that asks for a connection. Rejects with any other error. */
  #ask(error: unknown, exchange: Exchange): Reply {
    const required = requiredBy(error)
    const { message, origin } = exchange
    if (!required) throw error
    this.#completions.watch(idsOf(required), exchange)
    origin.observed?.decided('connection', message?.kind === 'request' ? message.id : undefined)
    if (message?.kind === 'request') return jsonReply(this.#textFor(message, required, exchange))
    const texts = exchange.requestIds.map((id) => requiredText(id, required))
    if (texts.length > 0) return jsonReply(`[${texts.join(',')}]`)
    const data = { elicitations: elicitationsOf(required) }
    throw new GatewayError('connection_required', required.message, { status: 403, data, cause: error })
  }

  #textFor(message: RequestMessage, required: RequiredConnection, exchange: Exchange): string {
    const isAsked = message.era === 'modern' && ASKING.has(message.method) && required.links.length > 0
    if (!isAsked || !opensUrls(message)) return requiredText(message.id, required)
    const own = ownInputs(message.params)
    const state = this.#states.write({ ids: idsOf(required), own }, this.#boundOf(exchange))
    return state === undefined ? requiredText(message.id, required) : inputRequiredText(message.id, required, state)
  }

  /** Takes in a retry: holds it until the account is connected, then sends on the request as it was asked first. */
  #retry(message: RequestMessage, text: string, exchange: Exchange, next: Handle): Promise<Reply> {
    const state = this.#states.read(text, this.#boundOf(exchange))
    if (!state) return Promise.resolve(refusalReply(message, STALE))
    if (hasDeclined(message)) return Promise.resolve(this.#declined(message, exchange))
    return answer(exchange, async (): Promise<Answer> => {
      const outcome = await this.#outcomes.of(state.ids, exchange, HELD_MS)
      if (outcome === 'declined') return { reply: this.#declined(message, exchange) }
      const { requestState: _, inputResponses: __, ...others } = message.params ?? {}
      const original = exchange.rewrite({ params: { ...others, ...state.own } })
      return { reply: await next(original).catch((error: unknown) => this.#ask(error, original)) }
    })
  }

  #declined(message: RequestMessage, { origin }: Exchange): Reply {
    origin.observed?.decided('connection', message.id)
    return refusalReply(message, DECLINED)
  }

  /** A listening stream waits for the account, too, and then becomes the server's: clients do not open it again. */
  async #listen(exchange: Exchange, next: Handle): Promise<Reply> {
    try {
      return this.#completions.listening(await next(exchange), exchange)
    } catch (error) {
      const required = requiredBy(error)
      // An aggregate looks itself when its member is back.
      if (!required || exchange.path.length > 1) throw error
      return this.#hold(required, exchange, next)
    }
  }

  #hold(first: RequiredConnection, exchange: Exchange, next: Handle): Promise<Reply> {
    return answer(exchange, async (out): Promise<Answer> => {
      out.bytes(COMMENT, true)
      const off = this.#completions.add(exchange, (json) => out.say(json))
      try {
        return { reply: await this.#opened(first, exchange, next) }
      } finally {
        off()
      }
    })
  }

  /** The stream of the server, once the account is connected: with whatever link, at whatever node. */
  async #opened(first: RequiredConnection, exchange: Exchange, next: Handle): Promise<Reply> {
    const { life } = exchange
    for (let required = first; ;) {
      this.#completions.watch(idsOf(required), exchange)
      const pause = pauseFor(HELD_MS)
      const outcome = await this.#outcomes.of(idsOf(required), exchange, HELD_MS)
      // Nobody can tell, or a new link is to be asked for: the stream has time.
      if (outcome !== 'connected') await unlessStopped(life, pause)
      try {
        return this.#completions.listening(await next(exchange), exchange)
      } catch (error) {
        const again = requiredBy(error)
        if (!again) throw error
        required = again
      }
    }
  }

  #boundOf(exchange: Exchange): string {
    return boundTo(exchange, this.#upstreamOf(exchange.path.at(-1)!, exchange.config).id)
  }
}

function idsOf({ links }: RequiredConnection): readonly string[] {
  return links.map(({ elicitationId }) => elicitationId)
}

function refusalReply({ id }: RequestMessage, error: Fault): Reply {
  return jsonReply(responseText(id, { error }))
}

/** Whether the user has declined a link at the client, or left the question. */
function hasDeclined({ params }: RequestMessage): boolean {
  const given = member(params, 'inputResponses')
  return isObject(given) && Object.values(given).some((each) => DECLINING_ACTIONS.has(member(each, 'action')))
}

const DECLINING_ACTIONS: ReadonlySet<unknown> = new Set(['decline', 'cancel'])

/** Resolves after a time that keeps no process alive. */
function pauseFor(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms).unref())
}
