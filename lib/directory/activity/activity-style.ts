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
.figure svg { display: block; width: 100%; height: 5rem; margin-top: .75rem; border-bottom: 1px solid var(--line); overflow: visible; }
.figure path { fill: none; stroke: var(--accent); stroke-width: 2; stroke-linejoin: round; }
.axis { display: flex; justify-content: space-between; margin-top: .2rem; color: var(--soft); font-size: .75rem; }
#figure-errors path { stroke: var(--bad); }
.table { overflow-x: auto; margin-top: .6rem; }
table { width: 100%; border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .75rem .35rem 0; border-top: 1px solid var(--line); text-align: right; white-space: nowrap; }
th { font-weight: 500; text-align: left; }
thead th { border-top: 0; color: var(--soft); font-size: .8125rem; text-align: right; }
thead th:first-child { text-align: left; }
:is(#figure-durations, #figure-refusals, #figure-servers) :is(td:nth-child(2), thead th:nth-child(2)) { text-align: left; }
#figure-refusals :is(td, thead th) { text-align: left; }
tr > :last-child { padding-right: 0; }
`
