/** The environment of a server's process: a few variables of the gateway, and those of its config. */
import { isDictionary } from '../util/json.ts'

export type EnvironmentVariables = Readonly<Record<string, string>>

/** Variables that programs need to run at all, none of them secret; the same list as in the MCP SDKs. */
const INHERITED: readonly string[] =
  process.platform === 'win32'
    ? [
        'APPDATA',
        'HOMEDRIVE',
        'HOMEPATH',
        'LOCALAPPDATA',
        'PATH',
        'PATHEXT',
        'PROCESSOR_ARCHITECTURE',
        'PROGRAMDATA',
        'PROGRAMFILES',
        'SYSTEMDRIVE',
        'SYSTEMROOT',
        'TEMP',
        'TMP',
        'USERNAME',
        'USERPROFILE',
        'WINDIR',
      ]
    : ['HOME', 'LANG', 'LC_ALL', 'LOGNAME', 'PATH', 'SHELL', 'TERM', 'TMPDIR', 'USER']

export function environmentOf(own: EnvironmentVariables, inheritEnv: readonly string[]): Record<string, string> {
  const environment: Record<string, string> = {}
  for (const name of [...INHERITED, ...inheritEnv]) {
    const value = process.env[name]
    // A shell would take such a value for the definition of a function.
    if (value !== undefined && !value.startsWith('()')) environment[name] = value
  }
  return { ...environment, ...own }
}

/** Throws a TypeError without the values, which may be secrets. */
export function checkVariables(what: string, variables: unknown): asserts variables is EnvironmentVariables {
  if (!isDictionary(variables)) throw new TypeError(`${what} must be an object of names and texts`)
  for (const [name, value] of Object.entries(variables)) {
    if (name === '' || /[=\0]/.test(name) || typeof value !== 'string' || value.includes('\0')) {
      throw new TypeError(`${what} has ${JSON.stringify(name)}, which is no variable with a text`)
    }
  }
}
