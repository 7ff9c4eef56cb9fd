// @ts-check
// The command line of run.mjs.
import { parseArgs } from 'node:util'

export const USAGE = `npm run bench -- [--quick] [--only CASE,...] [--proxies NAME,...] [--json FILE] [--profile FOLDER] [--list]
  --quick    short rounds and few peers: under two minutes, good for a first look
  --only     these cases alone
  --proxies  these proxies alone, in every case; the bare pipe is always measured too
  --json     write the figures to a file: what chart.mjs draws
  --profile  write a CPU profile of every proxy that runs in Node: open it in a browser's developer tools
  --list     the names of cases and proxies`

/**
 * @typedef {object} Flags
 * @property {boolean} quick
 * @property {boolean} list
 * @property {string[] | undefined} only
 * @property {string[] | undefined} proxies
 * @property {string | undefined} json
 * @property {string | undefined} profile
 */

/** @param {string[]} args @returns {Flags} */
export function readFlags(args) {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      only: { type: 'string' },
      proxies: { type: 'string' },
      json: { type: 'string' },
      profile: { type: 'string' },
    },
  })
  const { only, proxies, json, profile, quick, list } = values
  return { quick, list, only: only?.split(','), proxies: proxies?.split(','), json, profile }
}

/** Refuses a name that is not there, with those that are. @param {string[] | undefined} wanted @param {string[]} known @param {string} what */
export function checkNames(wanted, known, what) {
  const unknown = wanted?.find((name) => !known.includes(name))
  if (unknown !== undefined) throw new TypeError(`there is no ${what} "${unknown}". There are: ${known.join(', ')}`)
}
