// Times relative to now, in words.
import { relativeTime } from '../../lib/pages/relative-time.ts'

test.each([
  [0, 'just now'],
  [59, 'just now'],
  [60, '1 minute ago'],
  [3_599, '59 minutes ago'],
  [3_600, '1 hour ago'],
  [200_000, '2 days ago'],
  // A clock that was set back.
  [-10, 'just now'],
])('%d seconds are said as "%s"', (seconds, words) => {
  const at = '2026-11-21T12:00:00.000Z'
  expect(relativeTime(at, Date.parse(at) + seconds * 1_000)).toBe(words)
})
