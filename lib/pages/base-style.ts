/** The style that all pages share: system fonts, a light and a dark scheme, from a width of 360 px up. */

export const BASE_STYLE: string = `
:root {
  color-scheme: light dark;
  --paper: #f5f5f2; --card: #fff; --well: #f3f4f0; --ink: #191c1b; --soft: #565c59; --line: #dfe1db;
  --accent: #0b6a5a; --on-accent: #fff; --tint: #e4f1ee; --edge: #c5c9c0;
  --good: #1c7f4c; --bad: #a93a1c; --on-bad: #fff; --bad-tint: #fbece6;
  --shadow: 0 1px 2px rgb(20 30 25 / 5%), 0 4px 16px rgb(20 30 25 / 4%);
  --mono: ui-monospace, "SF Mono", SFMono-Regular, "Cascadia Code", "JetBrains Mono", Menlo, Consolas, monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #111413; --card: #191d1b; --well: #111413; --ink: #e8ecea; --soft: #a3aca8; --line: #2b312e;
    --accent: #6fd3bd; --on-accent: #06251f; --tint: #17332d; --edge: #434b47;
    --good: #5fce91; --bad: #f29b7d; --on-bad: #2b0f06; --bad-tint: #35201a;
    --shadow: none;
  }
}
*, *::before, *::after { box-sizing: border-box; }
body {
  margin: 0 auto; padding: clamp(1.5rem, 5vw, 4rem) clamp(1rem, 4vw, 2rem) 5rem; max-width: 54rem;
  background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  -webkit-text-size-adjust: 100%; text-size-adjust: 100%;
}
h1, h2, h3, p, ul, ol, dl, dd, fieldset, pre { margin: 0; padding: 0; }
ul, ol { list-style: none; }
a { color: var(--accent); text-underline-offset: .18em; }
button, input, select, textarea { font: inherit; color: inherit; }
code, pre { font-family: var(--mono); font-size: .875em; }
pre code { font-size: inherit; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: .3rem; }
[hidden] { display: none !important; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

.top h1 { font-size: clamp(1.75rem, 1.3rem + 2vw, 2.375rem); line-height: 1.15; font-weight: 680; letter-spacing: -.022em; text-wrap: balance; }
.top p { margin-top: .6rem; color: var(--soft); font-size: 1.0625rem; max-width: 66ch; text-wrap: pretty; }

main { margin-top: 1.75rem; }
.cards { display: grid; gap: 1.125rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 1rem; box-shadow: var(--shadow); padding: clamp(1.1rem, 3vw, 1.6rem); min-width: 0; }
h2 { font-size: 1.25rem; line-height: 1.3; font-weight: 650; letter-spacing: -.012em; overflow-wrap: anywhere; min-width: 0; }
`
