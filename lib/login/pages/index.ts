/** The pages of the login: pure functions of what they show. */
export { agentsPage } from './agents.ts'
export { consentPage } from './consent.ts'
export { type LoginPage, sendLoginPage } from './frame.ts'
export { faultPage, returnPage } from './outcome.ts'
