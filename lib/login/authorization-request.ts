/** Prepares authorization requests for the engine: the parameters that mean something here, and a scope in any case. */
import type { LoginConfig } from './options.ts'
import { type ParameterList, parameterOf } from '../pages/forms.ts'

/** The others are ignored. (OAuth 2.1 section 4.1.1; the engine refuses `request` and `request_uri`) */
const NAMES: ReadonlySet<string> = new Set([
  'client_id',
  'redirect_uri',
  'response_type',
  'response_mode',
  'scope',
  'state',
  'resource',
  'code_challenge',
  'code_challenge_method',
  'prompt',
  'request',
  'request_uri',
])

/**
 * Clients ask for whatever scopes they have heard of, and most for none: of those that are asked for, the known ones
 * remain, beside the one that every agent gets.
 */
export function prepareParameters(given: ParameterList, { scopes, baseScope }: LoginConfig): ParameterList {
  const parameters = given
    .filter(([name]) => NAMES.has(name))
    .map(([name, value]): readonly [string, string] => [name, name === 'prompt' ? promptFor(value) : value])
  const asked = parameters.filter(([name]) => name === 'scope')
  if (asked.length > 1) return parameters
  const known = (asked[0]?.[1] ?? '').split(' ').filter((scope) => Object.hasOwn(scopes, scope))
  const scope = [...new Set([baseScope, ...known])].join(' ')
  return [...parameters.filter(([name]) => name !== 'scope'), ['scope', scope]]
}

/** Users are asked in any case, by a page that offers another account: only whether there may be a page is of interest. */
function promptFor(prompt: string): string {
  return prompt.split(' ').includes('none') ? prompt : 'consent'
}

/** Whether the answer is to come in another way than in the query, which is the only one here. */
export function asksForOtherMode(parameters: ParameterList): boolean {
  return parameters.some(([name, value]) => name === 'response_mode' && value !== 'query')
}

/** Whether the client wants its user to be asked, whatever is remembered. */
export function asksForConsent(parameters: ParameterList): boolean {
  return parameterOf(parameters, 'prompt') !== undefined
}
