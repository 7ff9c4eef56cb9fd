/** The activity as a page: a chart where there is one, and a table of the same figures. */
import { frame } from '../frame.ts'
import { bar } from '../page.ts'
import type { PageVisitor } from '../page-visitor.ts'
import { html, type Html } from '../../pages/html.ts'
import { type Chart, CHART_WIDTH } from './charts.ts'
import { type ActivitySnapshot, type Figure, figuresOf, ROW_COURSE_HEIGHT, type RowCourse } from './figures.ts'

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

function figure({ id, title, sentence, charts, isWide = false, columns, rows, rowCourses = [] }: Figure): Html {
  return html`<section class="figure ${isWide ? 'wide' : ''}" id="figure-${id}" aria-labelledby="figure-${id}-title">
    <h2 id="figure-${id}-title">${title}</h2>
    <p class="sentence">${sentence}</p>
    <div class="charts">${charts.map(chart)}</div>
    <div class="table" tabindex="0" role="group" aria-labelledby="figure-${id}-title">
      <table>
        <thead>
          <tr>
            ${columns.map((column) => html`<th scope="col">${column}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.map((row, index) => figureRow(row, rowCourses[index]))}
        </tbody>
      </table>
    </div>
  </section>`
}

function chart({ kind, sentence, caption, height, paths, key }: Chart): Html {
  return html`<div class="chart ${kind}">
    <p class="caption">${caption}</p>
    <svg
      role="img"
      aria-label="${sentence}"
      viewBox="0 0 ${CHART_WIDTH} ${height}"
      height="${height}"
      preserveAspectRatio="none"
    >
      ${paths.map(({ tone, d }) => html`<path class="${tone}" d="${d}" vector-effect="non-scaling-stroke" />`)}
    </svg>
    ${kind === 'course' && html`<p class="axis" aria-hidden="true"><span>an hour ago</span> <span>now</span></p>`}
    <ul class="key">
      ${key.map(({ tone, text }) => html`<li class="${tone}">${text}</li>`)}
    </ul>
  </div>`
}

function figureRow([first = '', ...cells]: readonly string[], course: RowCourse | undefined): Html {
  return html`<tr>
    <th scope="row">${first}</th>
    ${cells.map((cell) => html`<td>${cell}</td>`)} ${course && html`<td>${rowCourse(course)}</td>`}
  </tr>`
}

function rowCourse({ sentence, d }: RowCourse): Html {
  return html`<svg
    role="img"
    aria-label="${sentence}"
    viewBox="0 0 ${CHART_WIDTH} ${ROW_COURSE_HEIGHT}"
    preserveAspectRatio="none"
  >
    <path class="ink" d="${d}" vector-effect="non-scaling-stroke" />
  </svg>`
}
