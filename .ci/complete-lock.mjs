// Adds to a package-lock.json what npm leaves out where a registry lacks the binaries of other platforms: without them
// `npm ci` calls the lockfile out of sync. Run it after an `npm install` there; no integrity is made up.
import { readFileSync, writeFileSync } from 'node:fs'

const file = process.argv[2]
const lock = JSON.parse(readFileSync(file, 'utf8'))
const { packages } = lock

function isThere(from, name) {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    if (packages[`${at ? `${at}/` : ''}node_modules/${name}`]) return true
    if (!at) return false
    if (!at.includes('/node_modules/')) at = ''
    if (at === '' && packages[`node_modules/${name}`]) return true
    if (at === '') return false
  }
}

for (const [from, entry] of Object.entries(packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (isThere(from, name)) continue
    const [, os, cpu, abi] =
      /(darwin|linux|win32|android|freebsd|openharmony|openbsd)-(arm64|x64|arm|ppc64|s390x|riscv64|ia32|loong64)(?:-(\w+))?$/.exec(name) ?? []
    if (!os || !/^\d/.test(version)) throw new Error(`Cannot tell the platform of ${name}@${version}`)
    const libc = os !== 'linux' || !abi ? undefined : abi.startsWith('musl') ? ['musl'] : ['glibc']
    packages[`node_modules/${name}`] = { version, cpu: [cpu], dev: entry.dev, ...(libc && { libc }), optional: true, os: [os] }
    console.log(name, version, os, cpu, libc?.[0] ?? '')
  }
}
const compare = new Intl.Collator('en').compare
lock.packages = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => compare(a, b)))
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
