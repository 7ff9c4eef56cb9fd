// Templates for HTML: what is escaped, and what is not.
import { html, verbatim } from '../../lib/pages/html.ts'

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
