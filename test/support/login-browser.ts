// A browser for the login pages of an app: cookies, redirects and forms, without a window.

/** A page that a browser shows. */
export interface Page {
  readonly url: URL
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** A browser with one cookie jar. It follows redirects on its origin, and stops at all others. */
export class LoginBrowser {
  readonly #cookies = new Map<string, string>()
  readonly #origin: string
  /** Sent with every request. */
  headers: Record<string, string> = {}

  constructor(origin: string) {
    this.#origin = origin
  }

  get cookies(): ReadonlyMap<string, string> {
    return this.#cookies
  }

  async open(url: URL | string, init: RequestInit = {}): Promise<Page> {
    let at = new URL(url, this.#origin)
    for (let hop = 0; hop < 10; hop += 1) {
      const cookie = [...this.#cookies].map((pair) => pair.join('=')).join('; ')
      const response: Response = await fetch(at, {
        ...(hop === 0 ? init : {}),
        redirect: 'manual',
        headers: { ...(hop === 0 ? (init.headers as Record<string, string>) : {}), ...this.headers, cookie },
      })
      for (const set of response.headers.getSetCookie()) {
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(set)!
        this.#cookies.set(name!, value!)
      }
      const location = response.headers.get('location')
      const next = location === null ? undefined : new URL(location, at)
      if (!next || next.origin !== this.#origin) {
        return { url: next ?? at, status: response.status, headers: response.headers, text: await response.text() }
      }
      await response.body?.cancel()
      at = next
    }
    throw new Error('too many redirects')
  }

  async logIn(user: string, returnTo = ''): Promise<Page> {
    const query = returnTo === '' ? '' : `?return_to=${encodeURIComponent(returnTo)}`
    return this.open(`/login${query}`, form({ user }))
  }

  /** Opens an authorization URL, logs in where the app asks, and shows what comes then. */
  async begin(url: URL | string, user: string): Promise<Page> {
    const page = await this.open(url)
    const returnTo = page.url.pathname === '/login' ? page.url.searchParams.get('return_to') : null
    return returnTo === null ? page : this.logIn(user, returnTo)
  }

  /** Presses a button of the form of a page. */
  async press(page: Page, button: Readonly<Record<string, string>>): Promise<Page> {
    const { action, fields } = formOf(page)
    return this.open(new URL(action, page.url), form({ ...fields, ...button }))
  }

  /** Lets the agent in: the URL that the browser goes on to. */
  async allow(url: URL | string, user: string): Promise<URL> {
    return this.answer(url, user, 'allow')
  }

  async answer(url: URL | string, user: string, decision: 'allow' | 'deny'): Promise<URL> {
    const page = await this.begin(url, user)
    if (page.status !== 200) throw new Error(`${page.status}: ${page.text}`)
    return refreshOf(await this.press(page, { decision }))
  }
}

/** Where a page sends the browser by itself. */
export function refreshOf({ headers, status, text }: Page): URL {
  const refresh = /^\d+;\s*url=(.*)$/i.exec(headers.get('refresh') ?? '')?.[1]
  if (refresh === undefined) throw new Error(`no way back, ${status}: ${text}`)
  return new URL(refresh)
}

function form(fields: Readonly<Record<string, string>>): RequestInit {
  return {
    method: 'POST',
    body: new URLSearchParams(fields).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  }
}

/** The first form of a page that is posted. */
export function formOf({ text }: Page): { readonly action: string; readonly fields: Record<string, string> } {
  const whole = /<form\b[^>]*>[\s\S]*?<\/form>/i.exec(text)?.[0]
  if (whole === undefined) throw new Error(`no form in: ${text}`)
  const inputs = Array.from(whole.matchAll(/<input\b[^>]*>/gi), ([tag]) => tag).filter((tag) => /hidden/i.test(tag))
  return {
    action: attribute(whole, 'action') ?? '',
    fields: Object.fromEntries(inputs.map((tag) => [attribute(tag, 'name')!, attribute(tag, 'value') ?? ''])),
  }
}

function attribute(tag: string, name: string): string | undefined {
  const found = new RegExp(`\\b${name}=(?:"([^"]*)"|'([^']*)'|([^\\s>]+))`, 'i').exec(tag)
  return (found?.[1] ?? found?.[2] ?? found?.[3])?.replaceAll(/&#x2f;|&#47;/gi, '/').replaceAll('&amp;', '&')
}
