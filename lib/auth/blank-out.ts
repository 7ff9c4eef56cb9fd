/** Redacts the secrets that were sent to a server from the error description that it returns. */

/** A match of this many characters with a sent value is a leak, not a coincidence. */
const PART_LENGTH = 8

/** Shorter values are not redacted: they occur in any text, and are no secrets. */
const MIN_LENGTH = 4

/** How many layers of percent-encoding are decoded. */
const ENCODINGS = 3

/**
 * The words in printable ASCII, with asterisks in place of everything that occurs in a `sent` value: the whole value or
 * a part of it, plain, percent-encoded, form-encoded or escaped, in any case.
 */
export function blankOut(words: string, sent: readonly string[], maxLength: number): string {
  // A margin beyond the length, so that a secret which begins within it and ends beyond it is found.
  const said = decoded(words.slice(0, 4 * maxLength)).slice(0, 2 * maxLength)
  const text = folded(said)
  const isHidden = new Uint8Array(text.length)
  for (const value of sent.map((each) => folded(decoded(each)))) {
    const length = Math.min(PART_LENGTH, value.length)
    if (length < MIN_LENGTH) continue
    for (let at = 0; at + length <= text.length; at += 1) {
      if (value.includes(text.slice(at, at + length))) isHidden.fill(1, at, at + length)
    }
  }
  const shown = Array.from(ascii(said), (character, at) => (isHidden[at] ? '*' : character))
  return shown
    .slice(0, maxLength)
    .join('')
    .replaceAll(/\*{4,}/g, '***')
}

/** The text with one character per byte, without the backslashes of JSON and without percent-encoding. */
function decoded(text: string): string {
  let plain = Buffer.from(text).toString('latin1').replaceAll('\\', '')
  for (let times = 0; times < ENCODINGS; times += 1) {
    plain = plain.replaceAll(/%([\da-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  }
  return plain
}

function ascii(text: string): string {
  return text.replaceAll(/[^ -~]/g, ' ')
}

/** The text in lower case, with the plus signs of form encoding as spaces. */
function folded(text: string): string {
  return ascii(text).replaceAll('+', ' ').toLowerCase()
}
