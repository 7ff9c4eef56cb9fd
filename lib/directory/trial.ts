/** What the page says for trying things on a server: where, in which era, and the lines for a shell. */
import { MODERN_VERSIONS } from '../protocol.ts'
import type { Era } from '../types.ts'
import { curlLines, type CurlParts } from './curl.ts'
import { html, type Html } from '../pages/html.ts'
import type { Introspection, ListedServer } from './listing.ts'

/** What a request to the server is made of, besides its method and parameters. */
export type TrialParts = Pick<CurlParts, 'url' | 'era' | 'clientHeaders'>

export function trialParts(
  { url }: ListedServer,
  introspection: Introspection,
  headers: ReadonlyMap<string, string>,
): TrialParts | undefined {
  if ('error' in introspection) return undefined
  return { url, era: eraOf(introspection.capabilities.protocolVersions), clientHeaders: Object.fromEntries(headers) }
}

/** The era in which the server was asked for what the page shows. */
function eraOf(versions: readonly string[]): Era {
  return versions.some((version) => MODERN_VERSIONS.includes(version)) ? 'modern' : 'legacy'
}

/** The attributes from which the script knows the server: the endpoint is below the page's own address. */
export function trialAttributes({ title, path }: ListedServer, { url, era, clientHeaders }: TrialParts): Html {
  return html` data-try data-title="${title}" data-path="${path}" data-url="${url}" data-era="${era}"
  data-headers="${JSON.stringify(clientHeaders)}"`
}

/** The lines for a shell, which do without the script what the form does. */
export function curlFold(parts: TrialParts, request: Pick<CurlParts, 'method' | 'params' | 'inputSchema'>): Html {
  return html`<details class="schema">
    <summary>With curl</summary>
    <pre tabindex="0"><code data-curl>${curlLines({ ...parts, ...request })}</code></pre>
  </details>`
}
