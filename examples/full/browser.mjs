// @ts-check
// What a person does in a browser, for the check of this example: follows redirects, keeps cookies, posts forms.

export class Browser {
  /** @type {Map<string, string>} */
  #cookies = new Map()

  /**
   * @param {string | URL} url
   * @param {Record<string, string>} [fields] of a form that is posted
   */
  async open(url, fields) {
    let at = new URL(url)
    let body = fields && new URLSearchParams(fields)
    for (;;) {
      // fetch() names the content type of a form by itself.
      const response = await fetch(at, {
        method: body ? 'POST' : 'GET',
        body: body ?? null,
        redirect: 'manual',
        headers: {
          accept: 'text/html',
          cookie: [...this.#cookies].map((pair) => pair.join('=')).join('; '),
          // As browsers have them for a page that is opened, from a link or a form of this origin.
          'sec-fetch-mode': 'navigate',
          'sec-fetch-site': 'same-origin',
        },
      })
      for (const cookie of response.headers.getSetCookie()) {
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
        this.#cookies.set(String(name), String(value))
      }
      const location = response.headers.get('location')
      if (location === null)
        return { url: at, status: response.status, headers: response.headers, text: await response.text() }
      await response.body?.cancel()
      at = new URL(location, at)
      body = undefined
    }
  }

  /**
   * Lets an agent in: logs in where the app asks, presses Allow, and goes on to the agent.
   * @param {URL} url of the authorization
   * @param {{ username: string, password: string }} user
   */
  async allow(url, user) {
    const login = await this.open(url)
    const question = login.url.pathname === '/login' ? await this.open(login.url, user) : login
    const form = formOf(question.text)
    const answer = await this.open(new URL(form.action, question.url), { ...form.fields, decision: 'allow' })
    const [, next] = /^\d+;\s*url=(.*)$/i.exec(answer.headers.get('refresh') ?? '') ?? []
    if (!next) throw new Error(`no way back to the agent: ${answer.status} ${answer.text}`)
    await this.open(next)
  }
}

/** The first form of a page, with its hidden fields. @param {string} html */
function formOf(html) {
  const [form = ''] = /<form\b[^]*?<\/form>/i.exec(html) ?? []
  const hidden = [...form.matchAll(/<input\b[^>]*>/gi)].map(([tag]) => tag).filter((tag) => /hidden/i.test(tag))
  const fields = Object.fromEntries(hidden.map((tag) => [attribute(tag, 'name'), attribute(tag, 'value')]))
  return { action: attribute(form, 'action'), fields }
}

/** @param {string} tag @param {string} name */
function attribute(tag, name) {
  const [, value = ''] = new RegExp(`\\b${name}="([^"]*)"`, 'i').exec(tag) ?? []
  return value.replaceAll('&#x2f;', '/').replaceAll('&amp;', '&')
}
