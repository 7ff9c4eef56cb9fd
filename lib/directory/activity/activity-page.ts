/** The activity as a page: a chart where there is one, and a table of the same figures. */
import { frame } from '../frame.ts'
import { bar } from '../page.ts'
import type { PageVisitor } from '../page-visitor.ts'
import { html, type Html } from '../../pages/html.ts'
import { type ActivitySnapshot, CHART, type Figure, figuresOf } from './figures.ts'

export const EVENTS_QUERY = '?view=activity&events'

export function activityPage(title: string, snapshot: ActivitySnapshot, visitor: PageVisitor, nonce: string): Html {
  return frame(
    { title: `Activity – ${title}`, nonce },
    html`${bar(title, visitor)}
      <header class="top activity-top">
        <div>
          <h1>Activity</h1>
          <p>The last hour of this process, without content. <span data-at>${snapshot.at.slice(11, 19)} UTC</span></p>
        </div>
        <button type="button" class="live" data-live="${EVENTS_QUERY}" aria-pressed="true" hidden>Live</button>
      </header>
      <main class="figures">${figuresOf(snapshot).map(figure)}</main>`,
  )
}

function figure({ id, title, sentence, paths, columns, rows }: Figure): Html {
  return html`<section
    class="figure ${rows.length > 5 || columns.length > 4 ? 'wide' : ''}"
    id="figure-${id}"
    aria-labelledby="figure-${id}-title"
  >
    <h2 id="figure-${id}-title">${title}</h2>
    <p class="sentence" id="figure-${id}-sentence">${sentence}</p>
    ${
      paths.length > 0 &&
      html`<svg
          role="img"
          aria-labelledby="figure-${id}-sentence"
          viewBox="0 -2 ${CHART.width} ${CHART.height + 4}"
          preserveAspectRatio="none"
        >
          ${paths.map((d) => html`<path d="${d}" vector-effect="non-scaling-stroke" />`)}
        </svg>
        <p class="axis" aria-hidden="true"><span>an hour ago</span> <span>now</span></p>`
    }
    <div class="table" tabindex="0" role="group" aria-labelledby="figure-${id}-title">
      <table>
        <thead>
          <tr>
            ${columns.map((column) => html`<th scope="col">${column}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.map(figureRow)}
        </tbody>
      </table>
    </div>
  </section>`
}

function figureRow([first = '', ...cells]: readonly string[]): Html {
  return html`<tr>
    <th scope="row">${first}</th>
    ${cells.map((cell) => html`<td>${cell}</td>`)}
  </tr>`
}
