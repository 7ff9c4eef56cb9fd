/** Replaces `${VAR}` and `${VAR:-default}` in the texts of an entry by variables of the environment. */

/** `${env:VAR}` is how VS Code writes it. `${input:...}` and other names with a colon are for editors. */
const VARIABLE = /\$\{(?:env:)?([A-Za-z_]\w*)(?::-([^}]*))?\}|\$\{([^}]*)\}/g

/** Why a text cannot be expanded: says what to set. */
export class VariableFault extends Error {
  override readonly name = 'VariableFault'
}

/** Throws a VariableFault for a variable that is not set and has no default. An empty variable counts as not set. */
export function expandVariables(text: string, env: NodeJS.ProcessEnv): string {
  return text.replaceAll(VARIABLE, (whole: string, name?: string, otherwise?: string) => {
    if (name === undefined) {
      throw new VariableFault(`${whole} is for an editor: write \${VAR}, and set the variable`)
    }
    const value = env[name]
    if (value !== undefined && value !== '') return value
    if (otherwise !== undefined) return otherwise
    throw new VariableFault(`the variable ${name} is not set: set it, or write \${${name}:-default}`)
  })
}
