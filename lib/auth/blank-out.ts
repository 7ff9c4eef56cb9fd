/** Blanks what was sent to a server out of the words that it answers with. */

/** So many characters in a row of something that was sent are a part of it, and no chance. */
const PART_LENGTH = 8

/** What is shorter occurs in any text, and is no secret. */
const MIN_LENGTH = 4

/** How often what was encoded once more is decoded. */
const ENCODINGS = 3

/**
 * The words in printable ASCII, with asterisks in place of all that occurs in what was `sent`: the whole of it or a
 * part, as it is, percent-encoded, form-encoded or escaped, in small letters or capitals.
 */
export function blankOut(words: string, sent: readonly string[], maxLength: number): string {
  // What begins within the length and ends beyond it is found, too.
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

/** A character for each byte, without the backslashes of JSON and without percent-encoding. */
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

/** In form encoding a plus is a space. */
function folded(text: string): string {
  return ascii(text).replaceAll('+', ' ').toLowerCase()
}
