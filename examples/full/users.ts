// The users of the app. Two of them are here in place of your database.
import { randomBytes, scryptSync, timingSafeEqual } from 'node:crypto'

declare global {
  namespace Express {
    interface User {
      name: string
      team: string
    }
  }
}

const salt = randomBytes(16)
const digest = (password: string): Buffer => scryptSync(password, salt, 32)

const users = new Map([
  ['ada', { name: 'ada', team: 'sales', digest: digest('correct horse battery staple') }],
  ['grace', { name: 'grace', team: 'ops', digest: digest('there is a moth in the relay') }],
])

export function findUser(name: string): Express.User | undefined {
  const user = users.get(name)
  return user && { name: user.name, team: user.team }
}

/** Takes as long for a name that nobody has. */
export function checkPassword(name: string, password: string): Express.User | undefined {
  const isRight = timingSafeEqual(digest(password), users.get(name)?.digest ?? randomBytes(32))
  return isRight ? findUser(name) : undefined
}
