/** Copies text to the clipboard, from the buttons of the page. */
import { all, announce } from './elements.ts'

/** How long a button says that it has copied, in milliseconds. */
const COPIED_MS = 2_000

/** The buttons that the server has rendered: `data-copy` is the id of the element whose text is copied. */
export function enableCopyButtons(): void {
  for (const each of all<HTMLButtonElement>('[data-copy]')) {
    copyOnClick(each, () => document.getElementById(each.dataset['copy']!)!)
  }
}

/** Copies an element's text; where the browser does not allow that, selects it. */
export function copyOnClick(control: HTMLButtonElement, source: () => Element): void {
  const label = control.querySelector('span') ?? control
  const before = label.textContent
  let timer: ReturnType<typeof setTimeout> | undefined
  const copy = async (): Promise<void> => {
    const done = await copyTextOf(source()).then(
      () => 'Copied',
      () => 'Selected',
    )
    label.textContent = done
    announce(done)
    clearTimeout(timer)
    timer = setTimeout(() => {
      label.textContent = before
      announce('')
    }, COPIED_MS)
  }
  control.addEventListener('click', () => void copy())
}

async function copyTextOf(source: Element): Promise<void> {
  // Without TLS browsers have no navigator.clipboard.
  if ('clipboard' in navigator) {
    try {
      return await navigator.clipboard.writeText(source.textContent)
    } catch {
      // Not allowed: selected instead.
    }
  }
  const range = document.createRange()
  range.selectNodeContents(source)
  const selection = getSelection()
  selection?.removeAllRanges()
  selection?.addRange(range)
  // Deprecated, but the only way where there is no clipboard.
  if (!document.execCommand('copy')) throw new Error('not copied')
  selection?.removeAllRanges()
}
