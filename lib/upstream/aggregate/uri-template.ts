/** Whether a URI may be an expansion of a URI template, in time that is linear in both. (RFC 6570) */

const TEMPLATE_EXPRESSION = /\{[^{}]*\}/

/** The literal parts of the template must follow each other in the URI; what is between them is not looked at. */
export function matchesTemplate(template: string, uri: string): boolean {
  const literals = template.split(TEMPLATE_EXPRESSION)
  const [first = '', ...others] = literals
  if (others.length === 0) return template === uri
  if (!uri.startsWith(first)) return false
  const last = others.pop()!
  let at = first.length
  for (const literal of others) {
    const found = uri.indexOf(literal, at)
    if (found === -1) return false
    at = found + literal.length
  }
  return uri.endsWith(last) && uri.length - last.length >= at
}
