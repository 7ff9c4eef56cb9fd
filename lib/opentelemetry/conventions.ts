/**
 * The semantic conventions of OpenTelemetry for MCP, as constants: github.com/open-telemetry/semantic-conventions-genai,
 * docs/gen-ai/mcp.md at 0393513, model/mcp/{spans,common,metrics}.yaml at 5c50d34, 0e5e6a8 and 14567fa (status:
 * development). Those of `@opentelemetry/semantic-conventions` are deprecated since they moved there.
 */

/** The instrumentation scope of the tracer and of the meter. */
export const SCOPE_NAME = 'express-mcp-gateway'

export const ATTRIBUTE = {
  methodName: 'mcp.method.name',
  protocolVersion: 'mcp.protocol.version',
  sessionId: 'mcp.session.id',
  resourceUri: 'mcp.resource.uri',
  requestId: 'jsonrpc.request.id',
  statusCode: 'rpc.response.status_code',
  errorType: 'error.type',
  operationName: 'gen_ai.operation.name',
  toolName: 'gen_ai.tool.name',
  promptName: 'gen_ai.prompt.name',
  toolArguments: 'gen_ai.tool.call.arguments',
  toolResult: 'gen_ai.tool.call.result',
  transport: 'network.transport',
  protocolName: 'network.protocol.name',
  httpVersion: 'network.protocol.version',
  clientAddress: 'client.address',
  clientPort: 'client.port',
  serverAddress: 'server.address',
  serverPort: 'server.port',
  /** An attribute of our own: the name of the server in the gateway's configuration. */
  server: 'mcp_gateway.server',
} as const

/** The value of `gen_ai.operation.name` for `tools/call`; other methods have none. */
export const EXECUTE_TOOL = 'execute_tool'

/** The value of `error.type` for a result with `isError`. */
export const TOOL_ERROR_TYPE = 'tool_error'

/** Replaces names that a client may choose freely, which bounds the cardinality. */
export const OTHER = '_OTHER'

/** All four are histograms of seconds. */
export const METRIC = {
  serverOperation: 'mcp.server.operation.duration',
  clientOperation: 'mcp.client.operation.duration',
  serverSession: 'mcp.server.session.duration',
  clientSession: 'mcp.client.session.duration',
} as const

export const UNIT = 's'

export const BUCKETS: number[] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300]

/** Error codes that the caller caused; on the SERVER span they are not errors. */
export const CALLER_FAULTS: ReadonlySet<number | undefined> = new Set([-32700, -32600, -32601, -32602, -32002])

/** The methods of all revisions. Any other is `_OTHER` in span names and metrics. */
export const KNOWN_METHODS: ReadonlySet<string> = new Set([
  'completion/complete',
  'elicitation/create',
  'initialize',
  'logging/setLevel',
  'notifications/cancelled',
  'notifications/initialized',
  'notifications/message',
  'notifications/progress',
  'notifications/prompts/list_changed',
  'notifications/resources/list_changed',
  'notifications/resources/updated',
  'notifications/roots/list_changed',
  'notifications/tools/list_changed',
  'ping',
  'prompts/get',
  'prompts/list',
  'resources/list',
  'resources/read',
  'resources/subscribe',
  'resources/templates/list',
  'resources/unsubscribe',
  'roots/list',
  'sampling/createMessage',
  'server/discover',
  'subscriptions/listen',
  'tasks/cancel',
  'tasks/get',
  'tasks/list',
  'tasks/result',
  'tasks/update',
  'tools/call',
  'tools/list',
])
