// The small parts of a directory, each for itself.
import { jest } from '@jest/globals'
import { html, verbatim } from '../../lib/directory/html.ts'
import { Memo } from '../../lib/directory/memo.ts'
import { preferred } from '../../lib/directory/negotiate.ts'

describe('html', () => {
  test('escapes whatever is put in, in text and in attributes', () => {
    const hostile = `<a href="x" title='y'>&amp;`
    const escaped = '&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;amp;'
    expect(html`<p title="${hostile}">${hostile}</p>`.text).toBe(`<p title="${escaped}">${escaped}</p>`)
  })

  test('leaves HTML alone, joins lists, and writes nothing for what is not there', () => {
    const items = ['a', 'b & c'].map((item) => html`<li>${item}</li>`)
    expect(html`<b>${items}${undefined}${false}${0}${''}</b>`.text).toBe('<b><li>a</li><li>b &amp; c</li>0</b>')
    expect(html`${verbatim('<b>')}`.text).toBe('<b>')
  })
})

describe('preferred', () => {
  const ours = ['application/json', 'text/html'] as const

  test.each([
    [undefined, 'application/json'],
    ['*/*', 'application/json'],
    ['text/html', 'text/html'],
    ['TEXT/HTML', 'text/html'],
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'text/html'],
    ['application/json;q=0.9, text/html;q=0.8', 'application/json'],
    ['text/*;q=0.3, text/html;q=0.1, application/json;q=0.2', 'application/json'],
    ['*/*;q=0.5, application/json;q=0', 'text/html'],
    ['text/html;level=1;q=0.7, application/json;q=0.6', 'text/html'],
    ['text/html;q=nonsense, application/json;q=0.1', 'application/json'],
    ['text/html;q=7', undefined],
    ['image/png', undefined],
    ['', undefined],
  ])('%j is answered by %s', (accept, type) => {
    expect(preferred(accept, ours)).toBe(type)
  })
})

describe('memo', () => {
  const asking = <T>(value: T, bytes = 1, keepMs = 60_000) => jest.fn(async () => ({ value, bytes, keepMs }))

  test('asks once at a time, and again when it is too old', async () => {
    const memo = new Memo<string>()
    const ask = asking('a')
    expect(await Promise.all([memo.get('k', ask), memo.get('k', ask)])).toEqual(['a', 'a'])
    await memo.get('k', ask)
    expect(ask).toHaveBeenCalledTimes(1)
    const brief = asking('b', 1, 0)
    await memo.get('other', brief)
    await memo.get('other', brief)
    expect(brief).toHaveBeenCalledTimes(2)
  })

  test('keeps no failure, and no more than its bytes: the oldest goes first', async () => {
    const memo = new Memo<string>()
    await expect(memo.get('k', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    const [one, two, three] = [asking('1', 4 * 1024 * 1024), asking('2', 4 * 1024 * 1024), asking('3')]
    for (const [key, ask] of [
      ['1', one],
      ['2', two],
      ['3', three],
    ] as const)
      await memo.get(key, ask)
    await memo.get('2', two)
    await memo.get('1', one)
    expect([one, two, three].map((ask) => ask.mock.calls.length)).toEqual([2, 1, 1])
    const giant = asking('giant', 9 * 1024 * 1024)
    await memo.get('giant', giant)
    await memo.get('giant', giant)
    expect(giant).toHaveBeenCalledTimes(2)
  })
})
