/** The pages of the login: pure functions of what they show. */
export { faultPage } from '../../pages/fault-page.ts'
export { agentsPage } from './agents.ts'
export { consentPage } from './consent.ts'
export { type FormPage, sendFormPage } from '../../pages/form-page.ts'
export { accountPage, returnPage } from './outcome.ts'
