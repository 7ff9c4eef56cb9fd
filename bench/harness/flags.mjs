// @ts-check
// The command line of run.mjs.
import { parseArgs } from 'node:util'

export const USAGE = `npm run bench -- [--quick] [--targets] [--brief] [--only CASE,...] [--proxies NAME,...] [--runs N] [--node PATH] [--json FILE] [--profile FOLDER] [--list]
  --quick    short rounds and few peers: under two minutes, good for a first look
  --targets  what the targets are made of alone, in shorter rounds: some eleven minutes a run
  --brief    the same with fewer rounds where there are few proxies: eight minutes
  --only     these cases alone
  --proxies  these proxies alone, in every case; the bare pipe is always measured too
  --runs     so many times; each case is shown as in the run that was the worst for the gateway. Defaults to 1
  --node     the Node that runs the proxies, such as another version. Defaults to the one that runs the bench
  --json     write the figures to a file: what chart.mjs draws
  --profile  write a CPU profile of every proxy that runs in Node: open it in a browser's developer tools
  --list     the names of cases and proxies`

/**
 * @typedef {object} Flags
 * @property {boolean} quick
 * @property {boolean} targets
 * @property {boolean} brief
 * @property {boolean} list
 * @property {number} runs
 * @property {string | undefined} node
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
      targets: { type: 'boolean', default: false },
      brief: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      runs: { type: 'string', default: '1' },
      node: { type: 'string' },
      only: { type: 'string' },
      proxies: { type: 'string' },
      json: { type: 'string' },
      profile: { type: 'string' },
    },
  })
  const { only, proxies, json, profile, quick, brief, list, node } = values
  const targets = values.targets || brief
  const runs = Number(values.runs)
  if (!Number.isInteger(runs) || runs < 1) throw new TypeError('--runs is a number of runs, from 1')
  const names = { only: only?.split(','), proxies: proxies?.split(',') }
  return { quick, targets, brief, list, runs, node, ...names, json, profile }
}

/** Refuses a name that is not there, with those that are. @param {string[] | undefined} wanted @param {string[]} known @param {string} what */
export function checkNames(wanted, known, what) {
  const unknown = wanted?.find((name) => !known.includes(name))
  if (unknown !== undefined) throw new TypeError(`there is no ${what} "${unknown}". There are: ${known.join(', ')}`)
}
