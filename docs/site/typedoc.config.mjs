// The API pages: one section for each path that the package exports, from the doc comments.
import { readFileSync } from 'node:fs'

const root = new URL('../../', import.meta.url)
const { exports } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))

export default {
  entryPoints: Object.values(exports).flatMap(({ source }) => (source ? [`../../${source}`] : [])),
  tsconfig: '../../tsconfig.json',
  // Types are checked by the library's own compiler, which is another one.
  skipErrorChecking: true,
  plugin: ['typedoc-plugin-markdown', 'typedoc-vitepress-theme'],
  out: 'api',
  docsRoot: '../..',
  readme: 'none',
  disableSources: true,
  excludeExternals: true,
  excludeInternal: true,
  excludePrivate: true,
  // In tables the column of descriptions is cut off.
  interfacePropertiesFormat: 'list',
  hidePageHeader: true,
  logLevel: 'Warn',
  sidebar: { autoConfiguration: true, format: 'vitepress', pretty: false },
}
