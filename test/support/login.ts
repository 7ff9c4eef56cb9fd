// `agentLogin()`, imported without the warning that oidc-provider prints on Node.js 20.
import type * as Login from '../../lib/login/index.ts'

export const { agentLogin, MemoryLoginStore, RedisLoginStore } = await quietly(() => import('../../lib/login/index.ts'))

async function quietly(load: () => Promise<typeof Login>): Promise<typeof Login> {
  const { warn } = console
  console.warn = () => {}
  try {
    return await load()
  } finally {
    console.warn = warn
  }
}
