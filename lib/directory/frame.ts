/** What every page has around its content: the head, with style, script and icon. */
import { createHash } from 'node:crypto'
import { html, type Html, type HtmlContent, verbatim } from '../pages/html.ts'
import { SCRIPT } from './script.ts'
import { STYLE } from './style.ts'
import { ACTIVITY_STYLE } from './activity/activity-style.ts'
import { TRIAL_STYLE } from './trial-style.ts'

/** The script as it is served: in an address that changes with it, so that browsers may keep it for good. */
export const SCRIPT_BYTES: Buffer = Buffer.from(SCRIPT)
export const SCRIPT_HASH: string = createHash('sha256').update(SCRIPT_BYTES).digest('base64url').slice(0, 16)

/** Drawn here, because the policy of the pages loads no image. */
const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='4' fill='%230b6a5a'/%3E%3Cpath d='M4 8h3m2-4h3M9 12h3M7 8c2 0 0-4 2-4M7 8c2 0 0 4 2 4' fill='none' stroke='%23fff' stroke-width='1.5' stroke-linecap='round'/%3E%3C/svg%3E"

export function frame({ title, nonce }: { readonly title: string; readonly nonce: string }, body: HtmlContent): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title}</title>
        <link rel="icon" href="${ICON}" />
        <style nonce="${nonce}">
          ${verbatim(STYLE + TRIAL_STYLE + ACTIVITY_STYLE)}
        </style>
        <script nonce="${nonce}" src="?script=${SCRIPT_HASH}" defer></script>
      </head>
      <body>
        ${body}
      </body>
    </html> `
}
