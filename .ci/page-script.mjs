// @ts-check
// Makes the script of the pages, lib/directory/script.ts, of its source in lib/directory/browser/:
// `node .ci/page-script.mjs` writes it, `node .ci/page-script.mjs --check` says whether it is what the source makes.
// All modules come into one scope, because no two files of lib/ declare the same name (test/architecture.test.ts).
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { minifySync, parseSync, printSync, transformSync } from '@swc/core'

const ENTRY = new URL('../lib/directory/browser/main.ts', import.meta.url)
const SCRIPT = new URL('../lib/directory/script.ts', import.meta.url)

/**
 * @typedef {{ value: string }} Name
 * @typedef {{ type: string, declaration?: Statement, source?: Name, identifier?: Name, id?: Name, declarations?: { id: Name }[] }} Statement
 */

/** @type {Map<string, string>} the code of each module, in the order in which they are to run */
const modules = new Map()

/** @type {Set<string>} the top-level names of all modules */
const declared = new Set()

/** @param {URL} url */
function add(url) {
  if (modules.has(url.href)) return
  const { code } = transformSync(readFileSync(url, 'utf8'), {
    filename: fileURLToPath(url),
    configFile: false,
    swcrc: false,
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    module: { type: 'es6' },
  })
  const parsed = parseSync(code, { syntax: 'ecmascript', target: 'es2022' })
  const body = /** @type {Statement[]} */ (/** @type {unknown} */ (parsed.body))
  const imports = body.filter(({ type }) => type === 'ImportDeclaration')
  for (const { source } of imports) add(new URL(/** @type {{ value: string }} */ (source).value, url))
  const rest = body
    .filter((statement) => !imports.includes(statement))
    .map(({ declaration, ...own }) => declaration ?? own)
  for (const { identifier, id, declarations } of rest) {
    const names = [identifier?.value, ...(declarations ?? []).map((each) => each.id.value)]
    for (const name of [...names, declarations || !id ? undefined : id.value]) {
      if (name !== undefined && declared.has(name))
        throw new Error(`${name} is declared twice: rename the one in ${url.href}`)
      if (name !== undefined) declared.add(name)
    }
  }
  modules.set(url.href, printSync(/** @type {typeof parsed} */ ({ ...parsed, body: rest })).code)
}

/** The module of script.ts. */
export function pageScript() {
  modules.clear()
  declared.clear()
  add(ENTRY)
  const whole = `(()=>{'use strict';${[...modules.values()].join('\n')}})()`
  const { code } = minifySync(whole, {
    ecma: 2020,
    compress: { passes: 3, toplevel: true },
    mangle: { toplevel: true },
    format: { comments: false, asciiOnly: true },
  })
  const text = code.replaceAll('\\', '\\\\').replaceAll('`', '\\`').replaceAll('${', '\\${')
  return `/** The script of the pages, made of browser/ by \`node .ci/page-script.mjs\`: change it there. */\n\nexport const SCRIPT: string = \`${text}\`\n`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const made = pageScript()
  if (!process.argv.includes('--check')) writeFileSync(SCRIPT, made)
  else if (readFileSync(SCRIPT, 'utf8') !== made) {
    console.error('lib/directory/script.ts is not what its source makes: node .ci/page-script.mjs')
    process.exitCode = 1
  }
}
