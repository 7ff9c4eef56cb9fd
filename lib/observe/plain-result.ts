/** Recognizes the most common answer, a result without an error, by searches of its text, which cost less than a scan. */
import type { RequestId } from '../types.ts'
import { afterValue, ESCAPED_ASCII } from '../util/json-scan.ts'

/** The longest document that is searched, in bytes. */
const MAX_SEARCHED_BYTES = 2 * 1024

const IS_NO_ERROR = '"isError":false'
const IS_ERROR = '"isError"'

/** How a document begins whose id comes last. */
const RESULT_FIRST = '{"result":{'

/**
 * Whether a document is a result of this request as common serializers write it, and certainly without `isError`: true.
 * Of any other document `false`, which says nothing.
 */
export function isPlainResult(document: Buffer, id: RequestId): boolean {
  if (document.length > MAX_SEARCHED_BYTES || typeof id !== 'number') return false
  const text = document.toString('latin1')
  const open = `{"jsonrpc":"2.0","id":${id},"result":{`
  if (text.startsWith(open)) {
    if (afterValue(text, open.length - 1) !== text.length - 1) return false
  } else {
    const close = `,"jsonrpc":"2.0","id":${id}}`
    if (!text.startsWith(RESULT_FIRST) || !text.endsWith(close)) return false
    if (afterValue(text, RESULT_FIRST.length - 1) !== text.length - close.length) return false
  }
  if (text.includes(ESCAPED_ASCII)) return false
  const at = text.indexOf(IS_ERROR)
  return at === -1 || (text.startsWith(IS_NO_ERROR, at) && !text.includes(IS_ERROR, at + IS_NO_ERROR.length))
}
