/** The style of what is tried on a server's page: forms, calls, questions, results. */

export const TRIAL_STYLE: string = `
.form { display: grid; gap: 1rem; max-width: 44rem; }
.fields { display: grid; gap: .9rem; }
.fields:empty { display: none; }
.field { display: grid; gap: .25rem; min-width: 0; }
.label, .field > label, .field > legend { display: flex; flex-wrap: wrap; align-items: baseline; gap: .1rem .5rem; font-size: .9375rem; font-weight: 550; overflow-wrap: anywhere; }
.field .hint { color: var(--soft); font-size: .875rem; max-width: 66ch; overflow-wrap: anywhere; }
.field input:not([type=checkbox]), .field select, .field textarea {
  width: 100%; min-width: 0; min-height: 2.75rem; padding: .45rem .75rem; border: 1px solid var(--edge); border-radius: .55rem;
  background: var(--well); field-sizing: content; resize: vertical; line-height: 1.5;
}
.field input[type=number], .field input[type^=date] { max-width: 16rem; }
.field textarea { max-height: 24rem; }
.field textarea.json { font-family: var(--mono); font-size: .875rem; min-height: 8rem; }
.field :is(input, select, textarea):user-invalid { border-color: var(--bad); }
.field label.check { display: flex; align-items: center; gap: .6rem; min-height: 2.5rem; font-weight: 500; }
.field input[type=checkbox] { width: 1.15rem; height: 1.15rem; accent-color: var(--accent); flex: none; }
fieldset.field { border: 1px solid var(--line); border-radius: .75rem; padding: .6rem .9rem .9rem; gap: .75rem; }
fieldset.field > legend { padding: 0 .35rem; margin-left: -.35rem; }
.entries { display: grid; gap: .6rem; }
.entry { display: flex; align-items: end; gap: .5rem; }
.entry > .field { flex: 1; }
.small { justify-self: start; font-size: .875rem; }
.actions .link { padding: 0 .25rem; border: 0; background: none; color: var(--accent); font-size: .875rem; cursor: pointer; text-decoration: underline; text-underline-offset: .18em; }
.actions { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem .75rem; }

.call { display: grid; gap: .6rem; margin-top: 1.1rem; padding-top: .9rem; border-top: 1px solid var(--line); min-width: 0; }
.state { color: var(--soft); font-size: .9375rem; font-variant-numeric: tabular-nums; }
.state.bad { color: var(--bad); font-weight: 600; }
progress { width: 100%; height: .4rem; accent-color: var(--accent); }
.logs { max-height: 12rem; overflow: auto; font-size: .875rem; }
.logs code { color: var(--soft); }
.result { display: grid; gap: .75rem; min-width: 0; }
.result pre { max-height: 32rem; overflow: auto; }
.result.failed pre { border-color: var(--bad); }
.result h3, .question h3, dialog h3 { font-size: .9375rem; font-weight: 640; }
.prompt-message > h3, .result > h3 { margin-bottom: .3rem; color: var(--soft); font-size: .875rem; }
.picture canvas { max-width: 100%; height: auto; border-radius: .6rem; border: 1px solid var(--line); background: repeating-conic-gradient(var(--well) 0 25%, var(--card) 0 50%) 0 0 / 1.25rem 1.25rem; }
.resource-link { display: flex; flex-wrap: wrap; align-items: center; gap: .25rem .75rem; overflow-wrap: anywhere; }
.resource > .address { margin-bottom: .35rem; }
.question { display: grid; gap: .75rem; padding: 1rem 1.1rem 1.1rem; border: 1px solid var(--accent); border-radius: .75rem; background: var(--tint); }
.question h3:focus-visible { outline-offset: .3rem; }
.question .field :is(input:not([type=checkbox]), select, textarea) { background: var(--card); }
.question .quiet { font-size: .875rem; }
.call > :empty { display: none; }
.item > .trial { margin-top: .9rem; }
.trial ~ .more { margin-top: 0; }
.wire { display: grid; gap: .5rem; }
.wire p { color: var(--soft); font-size: .8125rem; }
.wire .sent p { color: var(--accent); }
dialog { margin: auto; max-width: 28rem; padding: 1.5rem; border: 1px solid var(--line); border-radius: 1rem; background: var(--card); color: var(--ink); box-shadow: 0 1rem 4rem rgb(0 0 0 / 30%); }
dialog::backdrop { background: rgb(10 20 15 / 45%); }
dialog p { margin: .6rem 0 1.25rem; color: var(--soft); }
dialog .actions { justify-content: end; }
`
