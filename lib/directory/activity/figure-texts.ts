/** Numbers as the activity page writes them. */

const MEBIBYTE = 1024 * 1024

export function rate(perSecond: number): string {
  return perSecond >= 10 ? perSecond.toFixed(0) : perSecond.toFixed(2)
}

export function count(value: number): string {
  return value.toLocaleString('en')
}

/** A count with its noun, which has an `s` unless there is one of it. */
export function countWith(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`
}

export function duration(ms: number | undefined): string {
  if (ms === undefined) return '–'
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(ms >= 10_000 ? 1 : 2)} s`
  return ms >= 10 ? `${ms.toFixed(0)} ms` : `${ms.toFixed(2)} ms`
}

export function memory(bytes: number): string {
  return `${(bytes / MEBIBYTE).toFixed(0)} MiB`
}

/** The time of day, in UTC as in logs. */
export function timeOf(at: string | undefined): string {
  return at === undefined ? '–' : `${at.slice(11, 19)} UTC`
}
