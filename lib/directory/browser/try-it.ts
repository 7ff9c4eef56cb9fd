/** Makes the tools, prompts and resources of a server's page something to try. */
import { curlLines } from '../curl.ts'
import type { Era } from '../../types.ts'
import { isObject, type JsonObject, parseJson } from '../../util/json.ts'
import { CallView } from './call-view.ts'
import { confirmed } from './confirmation.ts'
import { TrialClient, type TrialRequest } from './trial-client.ts'
import { all, element } from './elements.ts'
import { type ObjectForm, objectForm } from './form.ts'
import { expandTemplate, templateSchema } from './uri-template.ts'

/** What the page says of the server. */
interface TrialServer {
  readonly title: string
  readonly era: Era
  readonly url: string
  readonly clientHeaders: Readonly<Record<string, string>>
  readonly connection: TrialClient
}

/** What can be tried: the labels of its button, and how a request is made of what is filled in. */
interface BrowserTrial {
  readonly label: string
  readonly schema: JsonObject
  readonly inputSchema?: unknown
  request(filled: JsonObject): { readonly method: string; readonly params: JsonObject }
}

export function enableTrials(): void {
  const root = document.querySelector<HTMLElement>('[data-try]')
  if (!root) return
  const { path, era, title, url, headers } = root.dataset as Record<string, string>
  // The page's own address is right also behind a proxy that rewrites paths.
  const endpoint = location.pathname.replace(/\/$/, '') + path!
  const connection = new TrialClient(endpoint, era as Era)
  const clientHeaders = JSON.parse(headers!) as Record<string, string>
  const server: TrialServer = { title: title!, era: era as Era, url: url!, clientHeaders, connection }
  addEventListener('pagehide', () => connection.close())
  for (const item of all<HTMLDetailsElement>('[data-trial]', root)) {
    const prepare = (): void => {
      if (item.open && !item.querySelector('.trial')) item.querySelector('[data-more]')!.before(panel(item, server))
    }
    item.addEventListener('toggle', prepare)
    prepare()
  }
}

function trialOf(item: HTMLElement): BrowserTrial {
  const { dataset } = item
  const target = dataset['target']!
  const kind = dataset['trial']
  if (kind === 'tool') {
    const schema = parseJson(item.querySelector('[data-schema]')?.textContent ?? '')
    const inputSchema = isObject(schema) ? schema : { type: 'object' }
    const request = (filled: JsonObject) => ({ method: 'tools/call', params: { name: target, arguments: filled } })
    return { label: 'Run', schema: inputSchema, inputSchema, request }
  }
  if (kind === 'prompt') {
    const request = (filled: JsonObject) => ({ method: 'prompts/get', params: { name: target, arguments: filled } })
    return { label: 'Get', schema: JSON.parse(dataset['arguments']!) as JsonObject, request }
  }
  const request = (filled: JsonObject) => ({
    method: 'resources/read',
    params: { uri: expandTemplate(target, filled) },
  })
  return { label: 'Read', schema: templateSchema(target), request }
}

function panel(item: HTMLDetailsElement, server: TrialServer): HTMLElement {
  const trial = trialOf(item)
  const calls = element('div', { class: 'calls' })
  const run = element('button', { type: 'submit', class: 'primary' }, trial.label)
  const start = async (outgoing: TrialRequest): Promise<void> => {
    const view = new CallView(server.title)
    calls.replaceChildren(view.shown)
    run.disabled = true
    const read = (uri: string): void => void start({ method: 'resources/read', params: { uri } })
    await view.run(server.connection, outgoing, read)
    run.disabled = false
  }
  const submit = async (): Promise<void> => {
    if (run.disabled) return
    const outgoing = { ...trial.request(form.read()), inputSchema: trial.inputSchema }
    showCurl(item, server, outgoing)
    const { confirm } = item.dataset
    if (confirm === undefined || (await confirmed(item.dataset['target']!, server.title))) await start(outgoing)
  }
  const form: ObjectForm = objectForm(trial.schema, [run], () => void submit())
  return element('div', { class: 'trial' }, form.shown, calls)
}

/** The lines for a shell ask for what was filled in last. */
function showCurl(item: HTMLElement, { url, era, clientHeaders }: TrialServer, outgoing: TrialRequest): void {
  const lines = item.querySelector('[data-curl]')
  if (lines) lines.textContent = curlLines({ ...outgoing, url, era, clientHeaders })
}
