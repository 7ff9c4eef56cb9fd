// What a message of 2026-07-28 must keep to: each rung, and which of two broken ones is the answer.
import { GatewayError, type GatewayErrorCode } from '../../lib/errors.ts'
import { classify as classifyWith } from '../../lib/inbound/classify.ts'
import { LADDER } from '../../lib/inbound/ladder.ts'
import { envelope, META, MODERN } from '../support/modern.ts'

interface Sent {
  json: Record<string, unknown> & { params: Record<string, unknown> }
  headers: {
    protocolVersion: string | undefined
    method: string | undefined
    name: string | undefined
    repeated: boolean
  }
}

/** A request without a fault, to be spoilt. */
function sent(method = 'tools/call', params: Record<string, unknown> = { name: 'echo' }): Sent {
  const name = params['name'] ?? params['uri'] ?? params['taskId']
  return {
    json: { jsonrpc: '2.0', id: 'mine', method, params: { _meta: { ...envelope }, ...params } },
    headers: { protocolVersion: MODERN, method, name: name as string | undefined, repeated: false },
  }
}

const classify = (json: unknown, headers: Sent['headers']) => classifyWith(json, headers, JSON.stringify(json))
const classifySent = ({ json, headers }: Sent) => classify(json, headers)
const meta = ({ json }: Sent) => json.params['_meta'] as Record<string, unknown>

interface Break {
  rung: string
  code: GatewayErrorCode
  status: number
  rpc: number
  says: RegExp
  spoil: (sent: Sent) => unknown
}

/** In the order of CL11. Each spoils what its own rung looks at and leaves the others alone. */
const BREAKS: Break[] = [
  {
    rung: 'RPC1 shape',
    code: 'invalid_request',
    status: 400,
    rpc: -32600,
    says: /jsonrpc/,
    spoil: ({ json }) => (json['jsonrpc'] = '1.0'),
  },
  {
    rung: 'SC9 a standard header came twice',
    code: 'header_mismatch',
    status: 400,
    rpc: -32020,
    says: /more than once/,
    spoil: ({ headers }) => (headers.repeated = true),
  },
  {
    rung: 'CL5 header and body name different revisions',
    code: 'header_mismatch',
    status: 400,
    rpc: -32020,
    says: /MCP-Protocol-Version/,
    spoil: ({ headers }) => (headers.protocolVersion = '2025-06-18'),
  },
  {
    rung: 'CL7 a required _meta field is missing',
    code: 'invalid_envelope',
    status: 400,
    rpc: -32602,
    says: /clientCapabilities/,
    spoil: (each) => delete meta(each)[META.clientCapabilities],
  },
  {
    rung: 'CL6 the revision is not served',
    code: 'unsupported_version',
    status: 400,
    rpc: -32022,
    says: /version/,
    spoil: (each) => {
      each.headers.protocolVersion = '2099-01-01'
      meta(each)[META.protocolVersion] = '2099-01-01'
    },
  },
  {
    rung: 'HD6 Mcp-Method',
    code: 'header_mismatch',
    status: 400,
    rpc: -32020,
    says: /Mcp-Method/,
    spoil: ({ headers }) => (headers.method = 'tools/list'),
  },
  {
    rung: 'HD6 Mcp-Name',
    code: 'header_mismatch',
    status: 400,
    rpc: -32020,
    says: /Mcp-Name/,
    spoil: ({ headers }) => (headers.name = 'another'),
  },
  {
    rung: 'CL2 initialize is no method of this revision',
    code: 'method_not_found',
    status: 404,
    rpc: -32601,
    says: /not found/i,
    spoil: ({ json, headers }) => {
      json['method'] = 'initialize'
      headers.method = 'initialize'
    },
  },
]

test('CL11 a request without a fault falls from no rung', () => {
  expect(classifySent(sent())).toMatchObject({ kind: 'request', era: 'modern', id: 'mine', method: 'tools/call' })
})

test.each(BREAKS)('CL11 ER6 $rung: $status and $rpc, with the id', ({ code, status, rpc, says, spoil }) => {
  const message = sent()
  spoil(message)
  const rejection = classifySent(message)
  expect(rejection).toMatchObject({ kind: 'rejection', code, id: 'mine', reason: expect.stringMatching(says) })
  const error = new GatewayError(code, '')
  expect(error.status).toBe(status)
  expect(JSON.parse(error.toJsonRpc('mine'))).toMatchObject({ id: 'mine', error: { code: rpc } })
})

const pairs = BREAKS.flatMap((first, at) => BREAKS.slice(at + 1).map((second) => ({ first, second })))
  // Mcp-Name is for methods that carry a name, and initialize is none of them.
  .filter(({ first, second }) => !(first.rung.includes('Mcp-Name') && second.rung.startsWith('CL2')))

test.each(pairs)('CL11 $first.rung goes before $second.rung', ({ first, second }) => {
  const message = sent()
  second.spoil(message)
  first.spoil(message)
  expect(classifySent(message)).toMatchObject({ code: first.code, reason: expect.stringMatching(first.says) })
})

test('CL11 every rung of the ladder is broken by a row of this table', () => {
  const codes = BREAKS.slice(1).map(({ code }) => code)
  expect(LADDER.map(({ code }) => code)).toEqual(codes)
})

describe('the revision', () => {
  test.each([
    ['missing', undefined],
    ['of another revision', '2025-11-25'],
    ['unknown', 'yesterday'],
    ['empty', ''],
  ])('CL5 HD9 a version header that is %s is -32020', (_what, protocolVersion) => {
    const message = sent()
    message.headers.protocolVersion = protocolVersion
    expect(classifySent(message)).toMatchObject({ code: 'header_mismatch', id: 'mine' })
  })

  test.each(['2025-11-25', '2099-01-01', ''])(
    'CL6 the claim %j is -32022 with what is supported and what was requested',
    (claimed) => {
      const message = sent()
      message.headers.protocolVersion = claimed
      meta(message)[META.protocolVersion] = claimed
      expect(classifySent(message)).toMatchObject({
        code: 'unsupported_version',
        id: 'mine',
        data: { supported: [MODERN], requested: claimed },
      })
    },
  )
})

describe('_meta', () => {
  test.each([
    ['no params', undefined],
    ['no _meta', {}],
    ['an empty _meta', { _meta: {} }],
    ['a _meta that is null', { _meta: null }],
    ['a _meta that is an array', { _meta: [] }],
    ['capabilities alone', { _meta: { [META.clientCapabilities]: {} } }],
  ])('CL4 a modern header over %s is -32602', (_what, params) => {
    const json = { jsonrpc: '2.0', id: 7, method: 'tools/list', params }
    const headers = { protocolVersion: MODERN, method: 'tools/list', name: undefined, repeated: false }
    expect(classify(json, headers)).toMatchObject({ code: 'invalid_envelope', id: 7 })
  })

  test.each([1, null, {}, [MODERN]])('CL7 a protocolVersion of %j is -32602', (claimed) => {
    const message = sent()
    meta(message)[META.protocolVersion] = claimed
    expect(classifySent(message)).toMatchObject({ code: 'invalid_envelope' })
  })

  test.each([undefined, null, 'all', true, []])('CL7 clientCapabilities of %j are -32602', (capabilities) => {
    const message = sent()
    meta(message)[META.clientCapabilities] = capabilities
    expect(classifySent(message)).toMatchObject({ code: 'invalid_envelope' })
  })

  test('CL7 a request without clientInfo is served', () => {
    expect(envelope).not.toHaveProperty([META.clientInfo])
    expect(classifySent(sent())).toMatchObject({ kind: 'request', era: 'modern' })
  })

  test('CL7 SC10 required fields that stand in a prototype are missing', () => {
    const json: unknown = JSON.parse(
      `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"__proto__":${JSON.stringify(envelope)}}}}`,
    )
    const headers = { protocolVersion: MODERN, method: 'tools/list', name: undefined, repeated: false }
    expect(classify(json, headers)).toMatchObject({ code: 'invalid_envelope' })
  })
})

describe('Mcp-Method', () => {
  test.each([
    ['missing', undefined],
    ['empty', ''],
    ['another', 'tools/list'],
    ['in other letters', 'Tools/Call'],
    ['encoded, which only values that need it are', `=?base64?${Buffer.from('tools/call').toString('base64')}?=`],
  ])('HD6 HD8 HD9 when it is %s: -32020', (_what, method) => {
    const message = sent()
    message.headers.method = method
    expect(classifySent(message)).toMatchObject({ code: 'header_mismatch', id: 'mine' })
  })
})

describe('Mcp-Name', () => {
  const base64 = (text: string): string => `=?base64?${Buffer.from(text).toString('base64')}?=`

  test.each([
    ['HD6', 'tools/call', 'name'],
    ['HD6', 'prompts/get', 'name'],
    ['HD6', 'resources/read', 'uri'],
    ['HD7', 'tasks/get', 'taskId'],
    ['HD7', 'tasks/update', 'taskId'],
    ['HD7', 'tasks/cancel', 'taskId'],
  ])('%s HD9 %s must repeat its %s', (_id, method, parameter) => {
    const named = (name: string | undefined): Sent => {
      const message = sent(method, { [parameter]: 'this one' })
      message.headers.name = name
      return message
    }
    expect(classifySent(named('this one'))).toMatchObject({ kind: 'request', era: 'modern' })
    expect(classifySent(named(base64('this one')))).toMatchObject({ kind: 'request', era: 'modern' })
    for (const name of [undefined, '', 'that one', 'This One', 'this one,', base64('that one')]) {
      expect(classifySent(named(name))).toMatchObject({ code: 'header_mismatch', id: 'mine' })
    }
  })

  test('HD6 other methods need none, and what is said of them is no concern of the gateway', () => {
    for (const method of ['tools/list', 'server/discover', 'subscriptions/listen', 'constructor', 'vendor/x']) {
      for (const name of [undefined, 'anything']) {
        const message = sent(method, {})
        message.headers.name = name
        expect(classifySent(message)).toMatchObject({ kind: 'request', era: 'modern' })
      }
    }
  })

  test('ER3 a call without a name is for the server to answer when no header names one either', () => {
    for (const params of [{}, { name: 1 }, { name: null }]) {
      const message = sent('tools/call', params)
      message.headers.name = undefined
      expect(classifySent(message)).toMatchObject({ kind: 'request', era: 'modern' })
    }
  })

  test('HD15 a header that names what the body does not is -32020', () => {
    const message = sent('tools/call', {})
    message.headers.name = 'echo'
    expect(classifySent(message)).toMatchObject({ code: 'header_mismatch' })
  })

  test.each(['=?base64?!!!?=', '=?base64?ZWNobw?=', '=?base64?ZWNobw=?=', '=?base64?/w==?='])(
    'HD10 %j stands for nothing and is -32020',
    (name) => {
      const message = sent()
      message.headers.name = name
      expect(classifySent(message)).toMatchObject({ code: 'header_mismatch' })
    },
  )
})

describe('notifications', () => {
  const notification = (spoil: (sent: Sent) => unknown = () => {}): Sent => {
    const message = sent('notifications/progress', {})
    delete message.json['id']
    spoil(message)
    return message
  }

  test.each<[string, (sent: Sent) => unknown]>([
    ['no Mcp-Method', ({ headers }) => (headers.method = undefined)],
    ['no standard header at all', ({ headers }) => (headers.method = headers.protocolVersion = undefined)],
    ['no _meta', ({ json }) => delete json.params['_meta']],
    ['no capabilities', (each) => delete meta(each)[META.clientCapabilities]],
  ])('RPC11 a notification with %s passes', (_what, spoil) => {
    expect(classifySent(notification(spoil))).toMatchObject({ kind: 'notification', era: 'modern' })
  })

  test('CL5 SC9 a notification that contradicts itself does not pass', () => {
    expect(classifySent(notification(({ headers }) => (headers.protocolVersion = '2025-11-25')))).toMatchObject({
      code: 'header_mismatch',
    })
    expect(classifySent(notification(({ headers }) => (headers.repeated = true)))).toMatchObject({
      code: 'header_mismatch',
    })
  })
})
