/** One after the other, for each name: who comes second finds done what the first one did. */

export class Turns {
  readonly #last = new Map<string, Promise<unknown>>()

  async take<T>(name: string, turn: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name)
    const mine = (async () => {
      await before?.catch(() => {})
      return turn()
    })()
    this.#last.set(name, mine)
    try {
      return await mine
    } finally {
      if (this.#last.get(name) === mine) this.#last.delete(name)
    }
  }
}
