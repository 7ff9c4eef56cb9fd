/** The characters of ASCII that bytes are compared with. */

export const TAB = 0x09
export const LF = 0x0a
export const CR = 0x0d
export const SPACE = 0x20
export const DOUBLE_QUOTE = 0x22
export const COMMA = 0x2c
export const COLON = 0x3a
export const REVERSE_SOLIDUS = 0x5c
