// Host and Origin: who may pass, and what the operator learns when somebody may not.
import { checkHostAndOrigin, type HostRules } from '../../lib/inbound/host-origin.ts'

const LOOPBACK = '127.0.0.1'
const OUTSIDE = '192.0.2.7'

function hostRules(given: { hosts?: string[]; origins?: string[]; everySocket?: boolean } = {}): HostRules {
  return {
    hosts: new Set(given.hosts),
    origins: new Set(given.origins),
    everySocket: given.everySocket ?? given.hosts !== undefined,
  }
}

const open = hostRules()
const listed = hostRules({ hosts: ['example.com', 'example.org:8443'], origins: ['https://app.example.com'] })

type Case = [
  what: string,
  rules: HostRules,
  host: string | undefined,
  origin: string | undefined,
  local: string | undefined,
]

const passing: Case[] = [
  ['localhost on a loopback socket', open, 'localhost:3000', undefined, LOOPBACK],
  ['localhost without a port', open, 'localhost', undefined, LOOPBACK],
  ['LOCALHOST', open, 'LOCALHOST:3000', undefined, LOOPBACK],
  ['127.0.0.1', open, '127.0.0.1:3000', undefined, LOOPBACK],
  ['[::1]', open, '[::1]:3000', undefined, '::1'],
  ['[::1] without a port', open, '[::1]', undefined, '::1'],
  ['localhost on an IPv4-mapped socket', open, 'localhost:3000', undefined, '::ffff:127.0.0.1'],
  ['any host on a socket to the outside', open, 'whatever.example', undefined, OUTSIDE],
  ['no host on a socket to the outside', open, undefined, undefined, OUTSIDE],
  ['any host on a socket without an address', open, 'whatever.example', undefined, undefined],
  ['a listed host on a loopback socket', listed, 'example.com', undefined, LOOPBACK],
  ['a listed host on any port', listed, 'example.com:8080', undefined, LOOPBACK],
  ['a listed host in capitals', listed, 'Example.COM', undefined, OUTSIDE],
  ['a listed host with its port', listed, 'example.org:8443', undefined, OUTSIDE],
  ['localhost on a loopback socket beside a list', listed, 'localhost:3000', undefined, LOOPBACK],
  ['a page of the host itself', open, 'localhost:3000', 'http://localhost:3000', LOOPBACK],
  ['a page of the host itself behind TLS', open, 'whatever.example', 'https://whatever.example', OUTSIDE],
  ['a listed origin', listed, 'example.com', 'https://app.example.com', OUTSIDE],
  ['a listed origin in capitals', listed, 'example.com', 'HTTPS://APP.example.com', OUTSIDE],
]

test.each(passing)('SC1 SC2 %s passes', (_, rules, host, origin, local) => {
  expect(() => checkHostAndOrigin(rules, host, origin, local)).not.toThrow()
})

const badHosts: Case[] = [
  ['a foreign name on a loopback socket', open, 'evil.example', undefined, LOOPBACK],
  ['a foreign name on ::1', open, 'evil.example:3000', undefined, '::1'],
  ['a foreign name on an IPv4-mapped socket', open, 'evil.example', undefined, '::ffff:127.0.0.1'],
  ['a name that begins with localhost', open, 'localhost.evil.example', undefined, LOOPBACK],
  ['a name that ends with localhost', open, 'evil-localhost', undefined, LOOPBACK],
  ['no host on a loopback socket', open, undefined, undefined, LOOPBACK],
  ['an empty host on a loopback socket', open, '', undefined, LOOPBACK],
  ['a host that is not listed', listed, 'evil.example', undefined, OUTSIDE],
  ['localhost from the outside when hosts are listed', listed, 'localhost', undefined, OUTSIDE],
  ['a listed host on another port than listed', listed, 'example.org:80', undefined, OUTSIDE],
  ['a foreign host with its own origin', open, 'evil.example', 'http://evil.example', LOOPBACK],
]

test.each(badHosts)('SC2 %s is host_not_allowed', (_, rules, host, origin, local) => {
  expect(() => checkHostAndOrigin(rules, host, origin, local)).toThrow(
    expect.objectContaining({ code: 'host_not_allowed', status: 403 }),
  )
})

const badOrigins: Case[] = [
  ['a page of another site', open, 'localhost:3000', 'http://evil.example', LOOPBACK],
  ['a page of another port', open, 'localhost:3000', 'http://localhost:4000', LOOPBACK],
  ['a page without an origin of its own', open, 'localhost:3000', 'null', LOOPBACK],
  ['an empty origin', open, 'localhost:3000', '', LOOPBACK],
  ['two origins in one header', open, 'localhost:3000', 'http://localhost:3000, http://evil.example', LOOPBACK],
  ['another scheme than the listed one', listed, 'example.com', 'http://app.example.com', OUTSIDE],
  ['a name below a listed one', listed, 'example.com', 'https://x.app.example.com', OUTSIDE],
  ['a page of another site on a socket to the outside', open, 'whatever.example', 'https://evil.example', OUTSIDE],
]

test.each(badOrigins)('SC1 %s is origin_not_allowed', (_, rules, host, origin, local) => {
  expect(() => checkHostAndOrigin(rules, host, origin, local)).toThrow(
    expect.objectContaining({ code: 'origin_not_allowed', status: 403 }),
  )
})

function refusalOf(host: string, origin: string | undefined): Error {
  try {
    checkHostAndOrigin(open, host, origin, LOOPBACK)
  } catch (error) {
    return error as Error
  }
  throw new Error('was not refused')
}

test('SC2 the client is told which header it was, the operator also its value and the options to set', () => {
  const host = refusalOf('gateway.example', undefined)
  expect(host.message).toBe('Host not allowed')
  expect((host.cause as Error).message).toBe(
    'Host "gateway.example" was refused. If it is yours, add it to the option "allowedHosts" or set "publicUrl"',
  )
  const origin = refusalOf('localhost', 'https://page.example')
  expect(origin.message).toBe('Origin not allowed')
  expect((origin.cause as Error).message).toBe(
    'Origin "https://page.example" was refused. If it is yours, add it to the option "allowedOrigins" or set "publicUrl"',
  )
})

test('SC6 a value goes into the message for the operator without line ends of its own', () => {
  const { cause } = refusalOf('evil\r\nexample', undefined) as { cause?: Error }
  expect(cause?.message).toContain('"evil\\r\\nexample"')
})
