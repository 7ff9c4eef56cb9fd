/** The parts that the endpoints share. */
import type { Engine } from './engine.ts'
import type { Grants } from './grants.ts'
import type { Hosts } from './hosts.ts'
import type { LoginConfig } from './options.ts'
import type { Registration } from './registration.ts'
import type { Secrets } from './secrets.ts'

export interface LoginParts {
  readonly config: LoginConfig
  readonly engine: Engine
  readonly grants: Grants
  readonly hosts: Hosts
  readonly secrets: Secrets
  readonly registration: Registration | undefined
  /** Lets a client live as long as a grant of it. */
  readonly renew: (client: string) => Promise<void>
}
