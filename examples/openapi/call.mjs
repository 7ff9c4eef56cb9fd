// @ts-check
// Calls an Express router without a socket.
import express from 'express'
import inject from 'light-my-request'

/**
 * light-my-request changes the prototypes behind an Express app for good, and those are every app's: answers to real
 * requests would be sent nowhere. So this app has copies of its own.
 * @param {express.Router} router
 * @returns {(request: import('light-my-request').InjectOptions) => Promise<{ statusCode: number, payload: string }>}
 */
export function callerOf(router) {
  const app = express().use(router)
  for (const own of [app.request, app.response]) {
    const shared = Object.getPrototypeOf(own)
    const copy = Object.create(Object.getPrototypeOf(shared), Object.getOwnPropertyDescriptors(shared))
    Object.setPrototypeOf(own, copy)
  }
  return async (request) => {
    // It calls when it is awaited, which is to be in the async context of whoever asks.
    const { statusCode, payload } = await inject(/** @type {any} */ (app), request)
    return { statusCode, payload }
  }
}
