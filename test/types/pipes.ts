// Compile-only: servers that are pipes know the embedder's own principal.
import {
  inProcess,
  mcpGateway,
  type GatewayOptions,
  type Pipe,
  type PipeServer,
  type Principal,
} from '../../lib/index.ts'
import { stdio } from '../../lib/stdio/index.ts'
import type { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { McpServer as McpServerV2 } from '@modelcontextprotocol/server'

interface Member extends Principal {
  readonly tenant: string
}

declare const v1: McpServer
declare const v2: McpServerV2
declare const pipe: Pipe

// Both generations of the SDK take the transport as it is.
inProcess((transport) => v1.connect(transport))
inProcess((transport) => v2.connect(transport))

const authenticate = (): Member => ({ id: 'ada', tenant: 'acme' })
const options: GatewayOptions<Member> = {
  authenticate,
  servers: {
    own: inProcess((transport, { principal }) => v1.connect(transport).then(() => principal?.tenant.length)),
    child: stdio({ command: 'a', env: ({ principal }) => ({ TENANT: principal?.tenant ?? '' }) }),
    socket: { pipe: async ({ principal, era }) => (principal?.tenant === era ? pipe : pipe), maxPipes: 1 },
    titled: { ...stdio<Member>({ command: 'a' }), title: 'Files', scopes: { tools: { 'write_*': ['write'] } } },
  },
}
mcpGateway(options)
mcpGateway({ authenticate, servers: (name): PipeServer<Member> => inProcess(() => {}, { key: name }) })
mcpGateway({ authenticate: false, servers: { a: inProcess((transport) => v1.connect(transport)) } })

// @ts-expect-error -- a command starts nothing by itself
mcpGateway({ authenticate: false, servers: { a: { command: 'sh' } } })
// @ts-expect-error -- a pipe is opened by a function
mcpGateway({ authenticate: false, servers: { a: { pipe: 'sh' } } })
// @ts-expect-error -- one or the other
mcpGateway({ authenticate: false, servers: { a: { url: 'http://a', pipe: () => pipe, headers: {}, maxPipes: 'x' } } })
