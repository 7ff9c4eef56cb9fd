// @ts-check
// Thrown by a proxy that cannot be measured here: it is left out of the run, and said.

export class Absent extends Error {}
