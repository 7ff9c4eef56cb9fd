// @ts-check
// Of several runs, each case as in the run that was the worst for the gateway: all its rows are of that one run.

/** @typedef {import('./harness/bench.mjs').Row} Row @typedef {import('./harness/bench.mjs').Column} Column */
/** @typedef {{ name: string, title: string, columns: Column[], rows: Row[] }} Result */

/** @param {Result[][]} runs @returns {Result[]} */
export function worstRuns(runs) {
  const [first = []] = runs
  return first.map(({ name }) => {
    const seen = runs.flatMap((results) => results.filter((result) => result.name === name))
    return seen.reduce((worst, one) => (badness(one) > badness(worst) ? one : worst))
  })
}

/** How dear the gateway on node:http was beside the bare pipe; where it takes no part, the dearest of its rows. @param {Result} result */
function badness({ rows }) {
  const ratios = rows
    .filter(({ proxy, failed }) => proxy.startsWith('gateway-') && !failed)
    .map(({ proxy, ratio }) => ({ isPlain: proxy === 'gateway-http', ratio: Number(ratio) }))
    .filter(({ ratio }) => !Number.isNaN(ratio))
  return ratios.find(({ isPlain }) => isPlain)?.ratio ?? Math.max(0, ...ratios.map(({ ratio }) => ratio))
}
