// @ts-check
// All properties there are, by subject.
import { bodies } from './bodies.mjs'
import { handshakes } from './handshakes.mjs'
import { heads } from './heads.mjs'
import { ids } from './ids.mjs'
import { keys } from './keys.mjs'
import { streams } from './streams.mjs'

/** @type {import('./property.mjs').Property[]} */
export const properties = [...streams, ...heads, ...handshakes, ...bodies, ...keys, ...ids]
