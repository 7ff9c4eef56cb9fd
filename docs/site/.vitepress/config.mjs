// The site: README.md, docs/ and the examples' contents as they are, and the API from the doc comments. A dead link fails.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitepress'

const REPOSITORY = new URL('../../..', import.meta.url)
const vue = dirname(createRequire(import.meta.url).resolve('vue/package.json'))

/** The contents, in the order of the README. A page that is not here is listed at the end. */
const GUIDE = {
  'Get in': ['mounting', 'authentication', 'servers', 'options', 'command-line'],
  'Keep going': ['sessions', 'streams', 'scaling'],
  'Look and decide': ['governance', 'observability', 'directory'],
  Reference: ['protocol', 'security', 'errors', 'performance', 'alternatives'],
}

/** The title of a page: its first heading. */
function titleOf(page) {
  return /^# (.*)$/m.exec(readFileSync(new URL(`docs/${page}.md`, REPOSITORY), 'utf8'))?.[1].replaceAll('`', '') ?? page
}

const others = readdirSync(new URL('docs', REPOSITORY))
  .filter((file) => file.endsWith('.md'))
  .map((file) => file.slice(0, -'.md'.length))
  .filter((page) => !Object.values(GUIDE).flat().includes(page))
const itemOf = (page) => ({ text: titleOf(page), link: `/${page}` })
const api = new URL('docs/site/api/typedoc-sidebar.json', REPOSITORY)

/** Files that are no page of the site are shown where the repository is, if it is told where that is. */
const SOURCE = (process.env.REPOSITORY_URL ?? '').replace(/\/$/, '')

/** Links are written for the repository: those to its files go there, or become plain text without a REPOSITORY_URL. */
function repositoryLinks(md) {
  const links = md.core.ruler
  links.push('repository-links', ({ tokens, env }) => {
    for (const { children } of tokens) {
      for (const [index, token] of (children ?? []).entries()) {
        if (token.type !== 'link_open') continue
        const href = token.attrGet('href')
        if (/^[a-z]+:|^#/.test(href)) continue
        const [path, hash] = href.split('#')
        const file = posix.join(posix.dirname(env.sourceFile), path)
        if (isPage(file)) {
          token.attrSet('href', `/${pageOf(file)}${hash === undefined ? '' : `#${hash}`}`)
        } else if (!existsSync(new URL(file, REPOSITORY))) {
          throw new Error(`${env.sourceFile} links to ${href}, which is not there`)
        } else if (SOURCE !== '') {
          token.attrSet('href', `${SOURCE}/${file}`)
        } else {
          token.tag = children[index].tag = 'span'
          token.attrs = null
          children.slice(index).find(({ type }) => type === 'link_close').tag = 'span'
        }
      }
    }
  })
}

/** As GitHub makes them, for which the links are written. */
function anchorOf(heading) {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_\- ]/gu, '')
    .replaceAll(' ', '-')
}

function isPage(file) {
  return /^(docs\/[^/]+\.md|README\.md|CHANGELOG\.md|examples\/README\.md|docs\/site\/api\/.*)$/.test(file)
}

function pageOf(file) {
  return file
    .replace(/^docs\/site\/api\//, 'api/')
    .replace(/^docs\//, '')
    .replace(/^examples\/README\.md$/, 'examples.md')
    .replace(/^README\.md$/, 'index.md')
    .replace(/\.md$/, '')
}

export default defineConfig({
  title: 'express-mcp-gateway',
  description: 'Express and Connect middleware between MCP clients and MCP servers',
  lang: 'en',
  srcDir: '../..',
  srcExclude: ['**/node_modules/**', 'bench/**', 'test/**', 'lib/**', '.github/**', 'examples/*/**'],
  rewrites: {
    'README.md': 'index.md',
    'examples/README.md': 'examples.md',
    'docs/site/api/:rest*': 'api/:rest*',
    'docs/:page': ':page',
  },
  outDir: './dist',
  ignoreDeadLinks: false,
  markdown: {
    anchor: { slugify: anchorOf },
    config(md) {
      const render = md.render.bind(md)
      md.render = (source, env) => {
        env.sourceFile = posix.relative(fileURLToPath(REPOSITORY), env.realPath ?? env.path)
        // Vite takes an address without a dot for a package.
        return render(source.replaceAll(/ (src|srcset)="(?=docs\/)/g, ' $1="./'), env)
      }
      repositoryLinks(md)
    },
  },
  vite: {
    // The pages stand outside of this folder, and are compiled to modules that import vue.
    resolve: {
      alias: { 'vue/server-renderer': `${vue}/server-renderer/index.mjs`, vue: `${vue}/dist/vue.runtime.esm-bundler.js` },
    },
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    sidebar: [
      { text: 'Overview', link: '/' },
      ...Object.entries(GUIDE).map(([text, pages]) => ({
        text,
        items: pages.map(itemOf),
      })),
      { text: 'More', items: [...others.map(itemOf), { text: 'Examples', link: '/examples' }, { text: 'Changelog', link: '/CHANGELOG' }] },
      { text: 'API', collapsed: true, items: existsSync(api) ? JSON.parse(readFileSync(api, 'utf8')) : [] },
    ],
  },
})

