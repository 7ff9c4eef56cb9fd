/** The style of pages with forms. */
import { BASE_STYLE } from './base-style.ts'

export const FORM_STYLE: string = `${BASE_STYLE}
body { max-width: 40rem; overflow-wrap: anywhere; }
.of { color: var(--soft); font-size: .9375rem; margin-bottom: .75rem; }
.top strong { color: var(--ink); }
.top h1 { font-size: clamp(1.5rem, 1.2rem + 1.5vw, 2rem); }
.card > * + * { margin-top: 1rem; }
.facts { display: grid; gap: .8rem; }
.facts dt { color: var(--soft); font-size: .875rem; }
.facts strong { font-weight: 600; }
.facts dd p { color: var(--soft); font-size: .9375rem; }
.allows { padding-left: 1.2rem; list-style: disc; }
.warning { padding: .7rem .9rem; border-radius: .6rem; background: var(--bad-tint); color: var(--bad); font-size: .9375rem; }
.answers { display: flex; flex-wrap: wrap; gap: .75rem; margin-top: 1.4rem; }
.answers button { flex: 1 1 9rem; }
button {
  padding: .5rem 1.2rem; min-height: 2.75rem; border: 1px solid var(--edge); border-radius: .65rem; background: var(--card);
  cursor: pointer; font-weight: 550;
}
button:hover { border-color: var(--accent); }
button.main { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
button.end { color: var(--bad); }
button.end:hover { border-color: var(--bad); }
.quiet { color: var(--soft); font-size: .9375rem; }
.on { font-size: 1.0625rem; }
@media (forced-colors: active) { .warning { border: 1px solid; } }
`
