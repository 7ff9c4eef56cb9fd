/** The style of the server list. */
import { BASE_STYLE } from '../pages/base-style.ts'

export const STYLE: string = `${BASE_STYLE}
html { scroll-padding-top: 3.5rem; }
body { max-width: 60rem; }
.where { display: flex; flex-wrap: wrap; align-items: center; gap: 0 1.5rem; min-height: 2.5rem; margin-bottom: 1rem; font-size: .9375rem; }
.where nav a, .who a { display: inline-flex; align-items: center; min-height: 2.5rem; text-decoration: none; }
.where nav a::before { content: ""; width: .45rem; height: .45rem; margin-right: .5rem; border: solid currentColor; border-width: 0 0 2px 2px; transform: rotate(45deg); }
.where a:hover { text-decoration: underline; }
.aside { display: flex; flex-wrap: wrap; align-items: center; gap: 0 1.25rem; margin-left: auto; }
.aside > a { display: inline-flex; align-items: center; min-height: 2.5rem; text-decoration: none; }
.who { color: var(--soft); overflow-wrap: anywhere; }

.top h1 { overflow-wrap: anywhere; min-width: 0; }

.filter { display: none; gap: .75rem 1rem; flex-wrap: wrap; align-items: center; }
.top + .filter { margin-top: 1.75rem; }
.js .filter { display: flex; }
.filter input {
  flex: 1 1 16rem; min-width: 0; min-height: 2.75rem; padding: .4rem .9rem; border: 1px solid var(--edge);
  border-radius: .65rem; background: var(--card);
}
.filter input::placeholder { color: var(--soft); opacity: 1; }
.chips { display: flex; flex-wrap: wrap; gap: .4rem; min-width: 0; }
.chips button, .tags li { overflow-wrap: anywhere; min-width: 0; }
.chips button {
  padding: .3rem .9rem; min-height: 2.5rem; border: 1px solid var(--edge); border-radius: 2rem; background: transparent;
  color: var(--soft); font-size: .875rem; cursor: pointer;
}
.chips button:hover { border-color: var(--accent); color: var(--ink); }
.chips button[aria-pressed="true"] { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }

.rows { border: 1px solid var(--line); border-radius: 1rem; background: var(--card); box-shadow: var(--shadow); }
.row + .row { border-top: 1px solid var(--line); }
.row article { position: relative; padding: 1rem clamp(1rem, 3vw, 1.5rem); }
.head { display: flex; flex-wrap: wrap; align-items: baseline; gap: .1rem .7rem; }
.row .head { padding-right: 7rem; }
h2 { font-size: 1.125rem; line-height: 1.35; letter-spacing: -.01em; }
.row h2 a { color: inherit; text-decoration: none; }
.row h2 a:hover { color: var(--accent); text-decoration: underline; }
.row.failing h2, .row.failing .description { color: var(--soft); }
.name { color: var(--soft); font-size: .875rem; overflow-wrap: anywhere; min-width: 0; }
.description { max-width: 68ch; text-wrap: pretty; overflow-wrap: anywhere; }
.row .health { margin-left: auto; }
.row .head::before { content: ""; order: 1; flex-basis: 100%; height: 0; }
.row .head > :is(.description, .tags) { order: 2; }
.row .description { flex: 1 1 20rem; color: var(--soft); font-size: .9375rem; }
.top .head p { margin: 0; font-size: .875rem; }
.top .identity { margin-top: .35rem; font-size: .9375rem; }
.top .description { margin-top: .5rem; color: var(--ink); }
.health { color: var(--soft); font-size: .875rem; white-space: nowrap; }
.health::before {
  content: ""; display: inline-block; width: .55rem; height: .55rem; margin-right: .45rem; border-radius: 50%;
  border: 2px solid var(--soft);
}
.health.answering::before { background: var(--good); border-color: var(--good); }
.health.failing { color: var(--bad); }
.health.failing::before { border-radius: .12rem; background: var(--bad); border-color: var(--bad); }
.tags { display: flex; flex-wrap: wrap; gap: .35rem; }
.row .tags { margin-left: auto; }
.server .tags { margin-top: .6rem; }
.tags li { padding: .1rem .6rem; border-radius: 2rem; background: var(--tint); color: var(--accent); font-size: .8125rem; }

.account { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem 1rem; margin-top: .75rem; font-size: .9375rem; }
.account p { margin: 0; color: var(--soft); overflow-wrap: anywhere; min-width: 0; }
.account strong { color: var(--ink); font-weight: 600; }
.account.connected strong { color: var(--good); }

.endpoint {
  display: flex; align-items: center; gap: .5rem; margin-top: 1rem; padding: .2rem .2rem .2rem .85rem; min-height: 2.9rem;
  background: var(--well); border: 1px solid var(--line); border-radius: .65rem;
}
.server .endpoint { background: var(--card); }
.endpoint code { flex: 1; min-width: 0; overflow-wrap: anywhere; }
button, .installs a, .primary { min-height: 2.5rem; }
.copy, .installs a, .actions button, .small, .primary, .danger {
  flex: none; display: inline-flex; align-items: center; justify-content: center; padding: .3rem .9rem; border: 1px solid var(--edge);
  border-radius: .55rem; background: var(--card); font-size: .9375rem; line-height: 1.4; cursor: pointer; text-decoration: none;
}
.copy { display: none; font-size: .875rem; }
.js .copy { display: inline-flex; }
.copy span { min-width: 3.6rem; text-align: center; }
.copy:hover, .installs a:hover, .actions button:hover, .small:hover { border-color: var(--accent); }
.primary, .actions .primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); font-weight: 600; }
.primary:hover { filter: brightness(1.08); }
.danger, .actions .danger { background: var(--bad); border-color: var(--bad); color: var(--on-bad); font-weight: 600; }
button:disabled { opacity: .5; cursor: default; }
.installs { display: flex; flex-wrap: wrap; gap: .5rem; margin-top: .6rem; }
.installs a { font-weight: 550; }

summary { cursor: pointer; list-style: none; display: flex; align-items: center; gap: .55rem; min-height: 2.5rem; }
summary::-webkit-details-marker { display: none; }
summary::before {
  content: ""; flex: none; width: .42rem; height: .42rem; border: solid var(--soft); border-width: 0 2px 2px 0;
  transform: translateY(-.05rem) rotate(-45deg);
}
details[open] > summary::before { transform: translateY(-.15rem) rotate(45deg); }
.fold > summary { font-weight: 550; font-size: .9375rem; width: fit-content; }
.fold > summary:hover, .item > summary:hover code { color: var(--accent); }
.connect > summary { position: absolute; top: .7rem; right: clamp(1rem, 3vw, 1.5rem); }
.server .fold { margin-top: .4rem; }

.clients { border: 0; margin-top: .75rem; min-width: 0; }
.tabs { display: flex; gap: .35rem; overflow-x: auto; scrollbar-width: thin; padding: 2px; }
.tabs > input { position: absolute; opacity: 0; width: 1px; height: 1px; }
.tabs > label { flex: none; display: flex; align-items: center; min-height: 2.5rem; padding: .3rem .75rem; border-radius: .5rem; color: var(--soft); font-size: .875rem; cursor: pointer; }
.tabs > label:hover { color: var(--ink); }
.tabs > input:checked + label { background: var(--tint); color: var(--accent); font-weight: 600; }
.tabs > input:focus-visible + label { outline: 2px solid var(--accent); outline-offset: -2px; }
.pane { display: none; }
${[1, 2, 3, 4, 5, 6].map((n) => `.clients:has(input:nth-of-type(${n}):checked) .panes > :nth-child(${n})`).join(',\n')} { display: block; }
.bar { display: flex; flex-wrap: wrap; align-items: center; gap: .4rem; margin: .5rem 0; min-height: 2.1rem; }
.bar p { flex: 1 1 12rem; color: var(--soft); font-size: .875rem; }
pre {
  padding: .85rem 1rem; background: var(--well); border: 1px solid var(--line); border-radius: .65rem;
  white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.6; tab-size: 2;
}

.identity { overflow-wrap: anywhere; }
.identity span { white-space: nowrap; }
.identity strong { color: var(--ink); font-weight: 600; }
.identity > * + *::before { content: "·"; margin-right: .35rem; }

.contents { position: sticky; top: 0; z-index: 1; display: flex; gap: .25rem; overflow-x: auto; scrollbar-width: none; margin: 0 -.75rem; background: var(--paper); border-bottom: 1px solid var(--line); }
.contents a { flex: none; display: flex; align-items: center; gap: .4rem; min-height: 2.75rem; padding: 0 .75rem; color: var(--soft); font-size: .9375rem; font-weight: 550; text-decoration: none; }
.contents a:hover { color: var(--accent); }
.contents a:focus-visible { outline-offset: -2px; }
.list { margin-top: 1.75rem; scroll-margin-top: 3.5rem; }
.list-head { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: .5rem 1rem; min-height: 2.75rem; margin-bottom: .5rem; }
.list-head .filter { flex: 0 1 18rem; }
.count { margin-left: .2rem; padding: .05rem .5rem; border-radius: 2rem; background: var(--well); border: 1px solid var(--line); color: var(--soft); font-size: .8125rem; font-weight: 600; letter-spacing: 0; }
.prose { white-space: pre-line; max-width: 72ch; overflow-wrap: anywhere; }
.items { border: 1px solid var(--line); border-radius: 1rem; background: var(--card); box-shadow: var(--shadow); overflow: hidden; }
.items:not(:has(> :not([hidden]))) { display: none; }
.items > li:not([hidden]) ~ li { border-top: 1px solid var(--line); }
.item > summary { padding: .35rem clamp(.9rem, 2.5vw, 1.25rem); min-height: 2.75rem; }
.item > summary:focus-visible { outline-offset: -2px; border-radius: .9rem; }
.line { display: grid; grid-template-columns: minmax(8rem, 18rem) minmax(0, 1fr) auto; align-items: baseline; gap: .1rem 1rem; flex: 1; min-width: 0; }
.line code { overflow-wrap: anywhere; min-width: 0; font-weight: 550; }
.brief { min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; color: var(--soft); font-size: .9375rem; }
.item[open] .said { visibility: hidden; }
.marks { grid-column: 3; display: flex; gap: .3rem; }
.item > :not(summary) { margin: .6rem clamp(.9rem, 2.5vw, 1.25rem) 0; }
.item > :last-child { margin-bottom: .9rem; }
.schema > summary { min-height: 2rem; }
.item[open] { background: linear-gradient(var(--tint), var(--tint)) left / 3px 100% no-repeat; }
.item .prose, .item dd { font-size: .9375rem; }
.mark, .type { font-size: .75rem; color: var(--soft); font-weight: 500; }
.mark { padding: .05rem .55rem; border: 1px solid var(--line); border-radius: 2rem; white-space: nowrap; }
.mark.doubtful { border-color: transparent; padding-right: 0; }
.mark.bad { color: var(--bad); background: var(--bad-tint); border-color: transparent; font-weight: 600; }
.parameters > div { padding: .35rem 0; }
.parameters dt { overflow-wrap: anywhere; }
.parameters dd { color: var(--soft); }
.trial ~ .more .parameters { display: none; }
.address { overflow-wrap: anywhere; }
.schema > summary { font-size: .8125rem; color: var(--soft); width: fit-content; }
.schema pre { margin: .1rem 0 .5rem; font-size: .8125rem; max-height: 28rem; overflow: auto; }
.instructions { font-family: var(--mono); font-size: .8125rem; line-height: 1.6; background: var(--card); border: 1px solid var(--line); border-radius: 1rem; overflow-wrap: anywhere; }
pre.instructions { padding: 1rem 1.25rem; margin-top: .5rem; }
.instructions > summary { display: block; padding: 1rem 1.25rem .5rem; }
.instructions > summary::before { content: none; }
.instructions .first { display: block; white-space: pre-wrap; }
.instructions .more { display: inline-flex; align-items: center; min-height: 2.5rem; color: var(--accent); font: .875rem/1.4 system-ui, sans-serif; font-weight: 550; }
.instructions[open] .first { display: none; }
.instructions[open] .more { visibility: hidden; } .instructions[open] .more::after { content: "Fold"; visibility: visible; margin-left: -6.5em; }
.instructions pre { border: 0; background: none; padding: 0 1.25rem 1.25rem; font-size: inherit; }
.fault { padding: .65rem .9rem; border-radius: .6rem; background: var(--bad-tint); color: var(--bad); font-size: .9375rem; overflow-wrap: anywhere; }
.quiet, .empty { color: var(--soft); }
.empty { padding: 3rem 1rem; text-align: center; }
.message { margin: clamp(1rem, 8vh, 5rem) auto 0; max-width: 34rem; padding: clamp(1.5rem, 5vw, 2.5rem); background: var(--card); border: 1px solid var(--line); border-radius: 1rem; box-shadow: var(--shadow); }
.message h1 { font-size: 1.5rem; }
.message p { margin-top: .75rem; color: var(--soft); overflow-wrap: anywhere; }
.ways { display: flex; flex-wrap: wrap; align-items: center; gap: .75rem 1.25rem; }
.ways a { display: inline-flex; align-items: center; min-height: 2.5rem; }
@media (max-width: 40rem) {
  .row .head { padding-right: 0; }
  .row .health, .row .tags { margin-left: 0; }
  .connect > summary { position: static; margin: .1rem 0 -.6rem; }
  .row.failing .health, .health { white-space: normal; }
  .line { grid-template-columns: minmax(0, 1fr) auto; }
  .line .brief { grid-column: 1 / -1; grid-row: 2; }
  .item[open] .said { display: none; }
  .marks { grid-column: 2; grid-row: 1; }
  .list-head .filter { flex-basis: 100%; }
}
@media print { .filter, .copy, .installs { display: none !important; } }
`
