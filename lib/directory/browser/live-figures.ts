/** Keeps the figures of the activity page up to date, until the visitor pauses it. */
import { isObject, member, parseJson } from '../../util/json.ts'
import { all, element } from './elements.ts'

export function enableLiveFigures(): void {
  const toggle = document.querySelector<HTMLButtonElement>('[data-live]')
  if (!toggle) return
  const address = toggle.dataset['live']!
  let source: EventSource | undefined
  const change = (isLive: boolean): void => {
    source?.close()
    source = undefined
    toggle.setAttribute('aria-pressed', String(isLive))
    if (!isLive) return
    source = new EventSource(address)
    source.addEventListener('message', ({ data }) => showFigures(parseJson(String(data))))
  }
  toggle.hidden = false
  toggle.addEventListener('click', () => change(source === undefined))
  addEventListener('pagehide', () => change(false))
  change(true)
}

function showFigures(event: unknown): void {
  const at = member(event, 'at')
  const time = document.querySelector('[data-at]')
  if (time && typeof at === 'string') time.textContent = `${at.slice(11, 19)} UTC`
  const figures = member(event, 'figures')
  if (!Array.isArray(figures)) return
  for (const figure of figures as unknown[]) if (isObject(figure)) showFigure(figure)
}

/** The texts of a figure, as the server has made them. */
interface FigureTexts {
  readonly id?: string
  readonly sentence?: string
  readonly charts?: readonly ChartTexts[]
  readonly rows?: readonly (readonly string[])[]
  readonly rowCourses?: readonly { readonly sentence: string; readonly d: string }[]
}

interface ChartTexts {
  readonly sentence: string
  readonly caption: string
  readonly height: number
  readonly paths: readonly { readonly tone: string; readonly d: string }[]
  readonly key: readonly { readonly tone: string; readonly text: string }[]
}

function showFigure({ id, sentence = '', charts = [], rows = [], rowCourses = [] }: FigureTexts): void {
  const shown = document.getElementById(`figure-${id}`)
  if (!shown) return
  shown.querySelector('.sentence')!.textContent = sentence
  for (const [index, chart] of all('.chart', shown).entries()) if (charts[index]) showChart(chart, charts[index])
  const made = rows.map(([first = '', ...cells], index) => {
    const course = rowCourses[index]
    return element(
      'tr',
      {},
      element('th', { scope: 'row' }, first),
      ...cells.map((cell) => element('td', {}, cell)),
      course && element('td', {}, rowCourseOf(course)),
    )
  })
  shown.querySelector('tbody')!.replaceChildren(...made)
}

function showChart(shown: HTMLElement, { sentence, caption, height, paths, key }: ChartTexts): void {
  shown.querySelector('.caption')!.textContent = caption
  const svg = shown.querySelector('svg')!
  svg.setAttribute('aria-label', sentence)
  svg.setAttribute('height', String(height))
  svg.viewBox.baseVal.height = height
  for (const [index, path] of svg.querySelectorAll('path').entries()) {
    path.setAttribute('class', paths[index]?.tone ?? '')
    path.setAttribute('d', paths[index]?.d ?? '')
  }
  shown.querySelector('.key')!.replaceChildren(...key.map(({ tone, text }) => element('li', { class: tone }, text)))
}

const SVG = 'http://www.w3.org/2000/svg'

/** As the server renders it. */
function rowCourseOf({ sentence, d }: { readonly sentence: string; readonly d: string }): SVGSVGElement {
  const [svg, path] = [document.createElementNS(SVG, 'svg'), document.createElementNS(SVG, 'path')]
  const attributes = { role: 'img', 'aria-label': sentence, viewBox: '0 0 590 100', preserveAspectRatio: 'none' }
  for (const [name, value] of Object.entries(attributes)) svg.setAttribute(name, value)
  for (const [name, value] of Object.entries({ class: 'ink', d, 'vector-effect': 'non-scaling-stroke' })) {
    path.setAttribute(name, value)
  }
  svg.append(path)
  return svg
}
