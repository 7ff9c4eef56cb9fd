/** The pages that say why an agent cannot be let in. */
import { PageFault } from '../pages/browser.ts'
import { agentClient } from './clients.ts'
import type { RequestFault } from './engine.ts'

export const NO_SERVER = [
  'You cannot use this server',
  'Your account has no access to the server that the agent asks for.',
] as const
export const NO_CLIENT = [
  'This agent is not allowed here',
  'Agents like this one may not be connected to this server.',
] as const

export function faultOfRequest({ status, error, description, back }: RequestFault): PageFault {
  const words = description === undefined ? `${error}.` : `${error}: ${description}.`
  return new PageFault({
    status,
    heading: 'This agent cannot be connected',
    words,
    ...(back && { back: { url: back.url, client: agentClient(back.client, back.url) } }),
  })
}

export function impossible(words: string): PageFault {
  return new PageFault({ status: 400, heading: 'This agent cannot be connected', words })
}

export function foreignForm(): PageFault {
  return new PageFault({
    status: 403,
    heading: 'This answer came from another page',
    words: 'An answer counts only if it is given on the page that asks. Start again at the agent.',
  })
}

export function expiredForm(): PageFault {
  return new PageFault({
    status: 400,
    heading: 'This question is over',
    words: 'It was open for too long, or has been answered. Start again at the agent.',
  })
}

export function otherUser(): PageFault {
  return new PageFault({
    status: 403,
    heading: 'Another account is logged in',
    words: 'The account has changed since you were asked. Start again at the agent.',
  })
}
