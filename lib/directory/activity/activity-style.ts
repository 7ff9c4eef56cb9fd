/** The style of the activity page. */

export const ACTIVITY_STYLE: string = `
.activity-top { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: .75rem 1.5rem; }
.activity-top p { margin-top: .4rem; color: var(--soft); }
.live { display: inline-flex; align-items: center; gap: .5rem; padding: .3rem .9rem; border: 1px solid var(--edge); border-radius: 2rem; background: var(--card); font-size: .9375rem; cursor: pointer; }
.live::before { content: ""; width: .55rem; height: .55rem; border-radius: 50%; border: 2px solid var(--soft); }
.live[aria-pressed="true"]::before { background: var(--good); border-color: var(--good); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 1.125rem; }
.figure { padding: clamp(1rem, 3vw, 1.4rem); border: 1px solid var(--line); border-radius: 1rem; background: var(--card); box-shadow: var(--shadow); min-width: 0; }
.figure.wide { grid-column: 1 / -1; }
.sentence { margin-top: .2rem; color: var(--soft); font-size: .9375rem; font-variant-numeric: tabular-nums; }
.charts { display: flex; flex-wrap: wrap; gap: .9rem 1.5rem; margin-top: .9rem; }
.chart { flex: 1 1 9.5rem; min-width: 0; }
:is(.chart.share, .chart.bars) { flex-basis: 100%; }
.caption { color: var(--soft); font-size: .8125rem; font-variant-numeric: tabular-nums; }
.figure svg { display: block; width: 100%; overflow: visible; }
.course svg { height: 4.5rem; margin-top: .45rem; border-bottom: 1px solid var(--edge); }
.wide .course svg { height: 6rem; }
.share svg { height: .75rem; margin-top: .35rem; border-radius: .375rem; background: var(--well); overflow: hidden; }
.figure path { stroke-linejoin: round; stroke-linecap: round; }
:is(.course, td) path { fill: none; stroke-width: 2; }
:is(.course, td) .accent { stroke: var(--accent); }
:is(.course, td) .ink { stroke: var(--ink); stroke-width: 1.5; }
:is(.course, td) .soft { stroke: var(--soft); stroke-width: 1.5; stroke-dasharray: 4 4; }
:is(.course, td) .bad { stroke: var(--bad); }
:is(.share, .bars) .accent { fill: var(--accent); }
:is(.share, .bars) .good { fill: var(--good); }
:is(.share, .bars) .bad { fill: var(--bad); }
.share .soft { fill: var(--line); }
.key { display: flex; flex-wrap: wrap; gap: .1rem 1rem; margin-top: .35rem; font-size: .8125rem; color: var(--soft); font-variant-numeric: tabular-nums; }
.key:empty { display: none; }
.key li::before { content: ""; display: inline-block; width: .75rem; height: .2rem; margin-right: .4rem; vertical-align: middle; background: var(--soft); }
.share .key li::before { height: .6rem; width: .6rem; border-radius: 50%; }
.share .key .soft::before { background: var(--edge); }
.course .key .soft::before { background: linear-gradient(90deg, var(--soft) 40%, transparent 40% 60%, var(--soft) 60%); }
.key .accent::before { background: var(--accent); }
.key .ink::before { background: var(--ink); }
.key .good::before { background: var(--good); }
.key .bad::before { background: var(--bad); }
.bars { display: grid; grid-template-columns: fit-content(50%) minmax(0, 1fr); gap: 0 1rem; }
.bars .caption { grid-column: 1 / -1; }
.bars svg { grid-area: 2 / 2; }
.bars .key { grid-area: 2 / 1; display: block; margin: 0; }
.bars:not(:has(li)) { display: none; }
.bars .key li { height: 24px; line-height: 24px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.bars .key li::before { content: none; }
td svg { width: 7rem !important; height: 1.25rem; margin-left: auto; }
.axis { display: flex; justify-content: space-between; margin-top: .2rem; color: var(--soft); font-size: .75rem; }
.table:not(:has(td)) { display: none; }
.table { overflow: auto; max-height: 27rem; margin-top: .6rem; }
table { width: 100%; border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .75rem .35rem 0; border-top: 1px solid var(--line); text-align: right; white-space: nowrap; }
th { font-weight: 500; text-align: left; }
tbody th { white-space: normal; }
#figure-refusals tbody th { white-space: nowrap; }
thead th { border-top: 0; color: var(--soft); font-size: .8125rem; text-align: right; }
thead th:first-child { text-align: left; }
:is(#figure-durations, #figure-refusals, #figure-servers) :is(td:nth-child(2), thead th:nth-child(2)) { text-align: left; }
#figure-refusals :is(td, thead th) { text-align: left; }
tr > :last-child { padding-right: 0; }
`
