/** Keeps the figures of the activity page up to date, until the visitor pauses it. */
import { isObject, member, parseJson } from '../../util/json.ts'
import { element } from './elements.ts'

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
  readonly paths?: readonly string[]
  readonly rows?: readonly (readonly string[])[]
}

function showFigure({ id, sentence = '', paths = [], rows = [] }: FigureTexts): void {
  const shown = document.getElementById(`figure-${id}`)
  if (!shown) return
  shown.querySelector('.sentence')!.textContent = sentence
  for (const [index, path] of shown.querySelectorAll('path').entries()) path.setAttribute('d', paths[index] ?? '')
  const made = rows.map(([first = '', ...cells]) => {
    return element('tr', {}, element('th', { scope: 'row' }, first), ...cells.map((cell) => element('td', {}, cell)))
  })
  shown.querySelector('tbody')!.replaceChildren(...made)
}
