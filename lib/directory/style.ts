/** The style of the server list. */
import { BASE_STYLE } from '../pages/base-style.ts'

export const STYLE: string = `${BASE_STYLE}
.filter { display: none; margin-top: 1.75rem; gap: .75rem 1rem; flex-wrap: wrap; align-items: center; }
.js .filter { display: flex; }
.filter input {
  flex: 1 1 16rem; min-width: 0; min-height: 2.75rem; padding: .4rem .9rem; border: 1px solid var(--line);
  border-radius: .65rem; background: var(--card);
}
.filter input::placeholder { color: var(--soft); opacity: 1; }
.chips { display: flex; flex-wrap: wrap; gap: .4rem; min-width: 0; }
.chips button, .tags li { overflow-wrap: anywhere; min-width: 0; }
.chips button {
  padding: .3rem .8rem; min-height: 2rem; border: 1px solid var(--line); border-radius: 2rem; background: transparent;
  color: var(--soft); font-size: .875rem; cursor: pointer;
}
.chips button:hover { border-color: var(--accent); color: var(--ink); }
.chips button[aria-pressed="true"] { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }

.head { display: flex; flex-wrap: wrap; align-items: baseline; gap: .1rem .7rem; }
.name { color: var(--soft); font-size: .9375rem; overflow-wrap: anywhere; min-width: 0; }
.description { margin-top: .6rem; max-width: 68ch; text-wrap: pretty; overflow-wrap: anywhere; }
.health { margin-left: auto; color: var(--soft); font-size: .875rem; white-space: nowrap; }
.health::before {
  content: ""; display: inline-block; width: .55rem; height: .55rem; margin-right: .45rem; border-radius: 50%;
  border: 2px solid var(--soft);
}
.health.answering::before { background: var(--good); border-color: var(--good); }
.health.failing { color: var(--bad); }
.health.failing::before { border-radius: .12rem; background: var(--bad); border-color: var(--bad); }
.tags { display: flex; flex-wrap: wrap; gap: .35rem; margin-top: .7rem; }
.tags li { padding: .1rem .6rem; border-radius: 2rem; background: var(--tint); color: var(--accent); font-size: .8125rem; }

.endpoint {
  display: flex; align-items: center; gap: .5rem; margin-top: 1rem; padding: .3rem .3rem .3rem .85rem; min-height: 2.75rem;
  background: var(--well); border: 1px solid var(--line); border-radius: .65rem;
}
.endpoint code { flex: 1; min-width: 0; overflow-wrap: anywhere; }
.copy, .installs a {
  flex: none; padding: .3rem .8rem; border: 1px solid var(--line); border-radius: .45rem; background: var(--card);
  font-size: .875rem; line-height: 1.4; cursor: pointer; text-decoration: none;
}
.copy { display: none; }
.js .copy { display: inline-block; }
.copy span { display: inline-block; min-width: 3.6rem; text-align: center; }
.copy:hover, .installs a:hover { border-color: var(--accent); }
.installs { display: flex; flex-wrap: wrap; gap: .5rem; margin-top: .6rem; }
.installs a { font-weight: 550; }

.fold { margin-top: .9rem; border-top: 1px solid var(--line); padding-top: .6rem; }
.fold + .fold { margin-top: 0; border-top: 0; padding-top: .1rem; }
.fold[open] + .fold { margin-top: .9rem; }
summary { cursor: pointer; padding: .3rem 0; list-style: none; display: flex; align-items: baseline; gap: .55rem; }
summary::-webkit-details-marker { display: none; }
summary::before {
  content: ""; flex: none; width: .42rem; height: .42rem; border: solid var(--soft); border-width: 0 2px 2px 0;
  transform: translateY(-.1rem) rotate(-45deg);
}
details[open] > summary::before { transform: translateY(-.2rem) rotate(45deg); }
.fold > summary { font-weight: 550; font-size: .9375rem; width: fit-content; }
.fold > summary:hover, .item > summary:hover { color: var(--accent); }

.clients { border: 0; display: flex; flex-wrap: wrap; gap: .35rem; margin-top: .5rem; min-width: 0; }
.clients > input { position: absolute; opacity: 0; width: 1px; height: 1px; }
.clients > label { padding: .3rem .75rem; border-radius: .5rem; color: var(--soft); font-size: .875rem; cursor: pointer; }
.clients > label:hover { color: var(--ink); }
.clients > input:checked + label { background: var(--tint); color: var(--accent); font-weight: 600; }
.clients > input:focus-visible + label { outline: 2px solid var(--accent); outline-offset: 2px; }
.panes { flex: 1 0 100%; min-width: 0; }
.pane { display: none; }
${[1, 2, 3, 4, 5, 6].map((n) => `.clients > input:nth-of-type(${n}):checked ~ .panes > :nth-child(${n})`).join(',\n')} { display: block; }
.bar { display: flex; flex-wrap: wrap; align-items: center; gap: .4rem; margin: .5rem 0; min-height: 2.1rem; }
.bar p { flex: 1 1 12rem; color: var(--soft); font-size: .875rem; }
pre {
  padding: .85rem 1rem; background: var(--well); border: 1px solid var(--line); border-radius: .65rem;
  white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.6; tab-size: 2;
}

.answer { padding: .3rem 0; min-width: 0; }
.opened { padding-top: .9rem; }
.identity { color: var(--soft); font-size: .9375rem; overflow-wrap: anywhere; }
.identity strong { color: var(--ink); font-weight: 600; }
.identity span::before { content: "·"; margin-right: .4rem; }
h3 { margin: 1.35rem 0 .4rem; font-size: .8125rem; font-weight: 650; letter-spacing: .05em; text-transform: uppercase; color: var(--soft); }
.count { margin-left: .25rem; padding: .05rem .5rem; border-radius: 2rem; background: var(--well); border: 1px solid var(--line); letter-spacing: 0; }
.prose { white-space: pre-line; max-width: 72ch; overflow-wrap: anywhere; }
.items li + li { border-top: 1px solid var(--line); }
.item > summary { padding: .5rem 0; }
.line { display: flex; flex-wrap: wrap; align-items: baseline; gap: .1rem .7rem; flex: 1; min-width: 0; }
.line code { overflow-wrap: anywhere; min-width: 0; }
.brief { flex: 1 1 12rem; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; color: var(--soft); font-size: .875rem; }
.item[open] .brief { display: none; }
.item .title { color: var(--soft); font-size: .875rem; }
.item[open] { padding-bottom: .9rem; }
.item > :not(summary) { margin-left: 1rem; }
.item > :not(summary) + :not(summary) { margin-top: .6rem; }
.item > .prose, .item dd { font-size: .9375rem; }
.mark, .type { font-size: .75rem; color: var(--soft); }
.mark { padding: .02rem .5rem; border: 1px solid var(--line); border-radius: 2rem; white-space: nowrap; }
.parameters > div { padding: .35rem 0; }
.parameters dt { overflow-wrap: anywhere; }
.parameters dd { color: var(--soft); }
.address { overflow-wrap: anywhere; }
.schema > summary { font-size: .8125rem; color: var(--soft); }
.schema pre { margin-top: .3rem; font-size: .875rem; }
.fault { padding: .65rem .9rem; border-radius: .6rem; background: var(--bad-tint); color: var(--bad); font-size: .9375rem; overflow-wrap: anywhere; }
.quiet, .empty { color: var(--soft); }
.empty { padding: 3rem 1rem; text-align: center; }
@media (max-width: 34rem) {
  .health { margin-left: 0; flex-basis: 100%; }
  .brief { flex-basis: 100%; }
}
@media print { .filter, .copy, .installs { display: none !important; } }
`
