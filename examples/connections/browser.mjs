// @ts-check
// A browser for programs: it keeps cookies, follows redirects, and presses the buttons of pages without scripts.

export class Browser {
  /** By origin. @type {Map<string, Map<string, string>>} */
  #cookies = new Map()

  /** @param {string} origin @param {string} name @param {string} value */
  setCookie(origin, name, value) {
    const jar = this.#cookies.get(origin) ?? new Map()
    this.#cookies.set(origin, jar.set(name, value))
  }

  /** Opens a page, and goes on where the page does so by itself. @param {string | URL} url @param {RequestInit} [init] */
  async open(url, init = {}) {
    let [at, request] = [new URL(url), init]
    for (;;) {
      const jar = this.#cookies.get(at.origin) ?? new Map()
      const cookie = [...jar].map((pair) => pair.join('=')).join('; ')
      const headers = new Headers(request.headers)
      headers.set('cookie', cookie)
      const response = await fetch(at, { ...request, redirect: 'manual', headers })
      for (const set of response.headers.getSetCookie()) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? []
        this.setCookie(at.origin, name, value)
      }
      const text = await response.text()
      const refresh = /^0; ?url=(.*)$/.exec(response.headers.get('refresh') ?? '')?.[1]
      const next = response.headers.get('location') ?? refresh
      if (next === undefined) return { url: at, status: response.status, text }
      at = new URL(next, at)
      request = {}
    }
  }

  /** Sends the form of a page. @param {{ url: URL, text: string }} page @param {Record<string, string>} fields */
  press({ url, text }, fields) {
    const action = /<form[^>]*action="([^"]*)"/.exec(text)?.[1] ?? url.href
    const hidden = [...text.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)].map(([, name, value]) => [
      name,
      value,
    ])
    const body = new URLSearchParams({ ...Object.fromEntries(hidden), ...fields })
    return this.open(new URL(action, url), { method: 'POST', body, headers: { 'sec-fetch-site': 'same-origin' } })
  }

  /** Opens a page, and logs in where the app asks. @param {string | URL} url @param {string} name */
  async openAs(url, name) {
    const page = await this.open(url)
    return page.url.pathname === '/login' ? this.press(page, { name }) : page
  }
}
