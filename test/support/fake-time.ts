// Time that passes when a test says so, while sockets go on in real time.
import { jest } from '@jest/globals'

/** Has timers and clocks, the monotonic ones too, wait for `pass()`; sockets go on in real time. */
export function fakeTime(): void {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'clearImmediate'] })
}

/** Lets so much faked time pass, and whatever it brings about. */
export async function pass(ms: number, stepMs = 100): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    jest.advanceTimersByTime(stepMs)
    for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => void setImmediate(resolve))
  }
}

/** Waits for a promise that may itself wait for time to pass, real or faked. */
export async function inFakedTime(promise: Promise<unknown>): Promise<void> {
  let isSettled = false
  void promise.finally(() => (isSettled = true)).catch(() => {})
  while (!isSettled && Object.hasOwn(setTimeout, 'clock')) await pass(100)
  await promise
}
