/** The page that says why it does not go on. */
import { formPage, type FormPage, named, wayBack } from './form-page.ts'
import { html } from './html.ts'

export interface FaultView {
  readonly title: string | undefined
  readonly status: number
  readonly heading: string
  readonly words: string
  /** The way back to the client, which hears of the error there; only ever a link. */
  readonly back?: { readonly url: string; readonly client: { readonly name: string } } | undefined
}

export function faultPage({ title, heading, words, back }: FaultView): FormPage {
  return formPage(
    title,
    heading,
    undefined,
    html`<p class="warning" role="alert">${words}</p>
      ${back && html`<p class="on">${wayBack(back.url, html`Go back to ${named(back.client.name)}`)}</p>`}`,
  )
}
