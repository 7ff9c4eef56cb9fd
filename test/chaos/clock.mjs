// @ts-check
// A preload for a node: `Date` can be shifted, as by a clock that is set. Timers and performance.now() go on as they were,
// since they run on the monotonic clock.
let shiftMs = 0

const RealDate = Date

class ShiftedDate extends RealDate {
  /** @param {any[]} args */
  constructor(...args) {
    if (args.length === 0) super(RealDate.now() + shiftMs)
    else super(.../** @type {[any]} */ (args))
  }

  /** @override */
  static now() {
    return RealDate.now() + shiftMs
  }
}

globalThis.Date = /** @type {DateConstructor} */ (/** @type {unknown} */ (ShiftedDate))

process.on('message', (/** @type {any} */ message) => {
  if (typeof message?.shiftMs === 'number') shiftMs = message.shiftMs
})
// The listener alone keeps no process alive.
process.channel?.unref()
