/** Asks before a tool runs that may destroy something. */
import { button, element, freshId } from './elements.ts'

/** Whether the person at the page wants it. */
export function confirmed(tool: string, server: string): Promise<boolean> {
  return new Promise((resolve) => {
    const id = freshId()
    const heading = element('h3', { id }, `Run ${tool}?`)
    const text = element(
      'p',
      {},
      `The server ${server} does not say that it only reads: it may change or delete things.`,
    )
    const close = (): void => dialog.close()
    const run = button('Run it', { class: 'danger' }, () => dialog.close('run'))
    const cancel = button('Cancel', { autofocus: true }, close)
    const dialog = element(
      'dialog',
      { 'aria-labelledby': id },
      heading,
      text,
      element('div', { class: 'actions' }, cancel, run),
    )
    dialog.addEventListener('close', () => {
      dialog.remove()
      resolve(dialog.returnValue === 'run')
    })
    document.body.append(dialog)
    dialog.showModal()
  })
}
