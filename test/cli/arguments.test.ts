import { readArguments } from '../../lib/cli/arguments.ts'
import { CommandError } from '../../lib/cli/command-error.ts'

const KEY = '0123456789abcdef'
const read = (line: string, env: NodeJS.ProcessEnv = {}) => readArguments(line.split(' ').filter(Boolean), env)

test('a file alone is served on loopback, port 3000, with the page, and no command is started', () => {
  expect(read('mcp.json')).toEqual({
    file: 'mcp.json',
    port: 3000,
    host: '127.0.0.1',
    only: [],
    allowCommands: false,
    check: false,
    json: false,
    timeoutMs: 10_000,
    apiKey: undefined,
    page: true,
    verbose: false,
  })
})

test('every option is read, in any order, with and without an equals sign', () => {
  const line = '--only a -p 0 mcp.json --only=b --host=0.0.0.0 --api-key-env KEY --allow-commands --no-page --verbose'
  expect(read(line, { KEY })).toMatchObject({
    file: 'mcp.json',
    port: 0,
    host: '0.0.0.0',
    only: ['a', 'b'],
    allowCommands: true,
    apiKey: KEY,
    page: false,
    verbose: true,
  })
  expect(read('mcp.json --check --json --timeout 0.5e1'.replace('0.5e1', '1.5'))).toMatchObject({
    check: true,
    json: true,
    timeoutMs: 1_500,
  })
})

test.each(['-h', '--help', 'mcp.json --help', '-h --port 9'])('%s asks for help', (line) => {
  expect(read(line)).toBe('help')
})

test.each(['-v', '--version'])('%s asks for the version', (line) => expect(read(line)).toBe('version'))

test.each(['127.0.0.1', '127.1.2.3', '::1', '[::1]', 'localhost', 'LOCALHOST'])('%s is loopback', (host) => {
  expect(read(`mcp.json --host ${host}`)).toMatchObject({ host: host.replace(/[[\]]/g, '') })
})

test.each<[line: string, message: string, env?: NodeJS.ProcessEnv]>([
  ['', 'Which file? For example: express-mcp-gateway mcp.json'],
  ['--check', 'Which file? For example: express-mcp-gateway mcp.json'],
  ['a.json b.json', 'One file at a time: both a.json and b.json are given'],
  ['mcp.json --porr 1', '--porr is not an option; did you mean --port?'],
  ['mcp.json --allow-command', '--allow-command is not an option; did you mean --allow-commands?'],
  ['mcp.json --nonsense', '--nonsense is not an option; --help lists those there are'],
  ['mcp.json -x', '-x is not an option; --help lists those there are'],
  ['mcp.json --port', '--port needs a port, such as --port 3000'],
  ['mcp.json --port=', '--port needs a port, such as --port 3000'],
  ['mcp.json -p --check', '-p needs a port, such as --port 3000'],
  ['mcp.json --host --check', '--host needs an address, such as --host 127.0.0.1'],
  ['mcp.json --only', '--only needs the name of a server'],
  ['mcp.json --timeout', '--timeout needs seconds, such as --timeout 10'],
  ['mcp.json --api-key-env', '--api-key-env needs the name of a variable that holds the key'],
  ['mcp.json --port -1', '--port takes a port from 0 to 65535, not "-1"'],
  ['mcp.json --port 65536', '--port takes a port from 0 to 65535, not "65536"'],
  ['mcp.json --port 80.5', '--port takes a port from 0 to 65535, not "80.5"'],
  ['mcp.json --port 0x50', '--port takes a port from 0 to 65535, not "0x50"'],
  ['mcp.json --check --timeout 0', '--timeout takes seconds from 1 to 3600, not "0"'],
  ['mcp.json --check --timeout 10s', '--timeout takes seconds from 1 to 3600, not "10s"'],
  ['mcp.json --check=yes', '--check takes no value'],
  ['mcp.json --json', '--json goes with --check'],
  ['mcp.json --timeout 3', '--timeout goes with --check'],
  ['mcp.json --host http://x', '--host takes an address, not "http://x"'],
  [
    'mcp.json --host 0.0.0.0',
    '--host 0.0.0.0 lets others than this machine in: name the variable with the key that they need, --api-key-env NAME',
  ],
  [
    'mcp.json --host 127.evil.example',
    '--host 127.evil.example lets others than this machine in: name the variable with the key that they need, --api-key-env NAME',
  ],
  ['mcp.json --api-key-env KEY', '--api-key-env: the variable KEY is not set'],
  [
    'mcp.json --api-key-env KEY',
    '--api-key-env: the key in KEY must have at least 16 of the characters A-Z a-z 0-9 - . _ ~ + /',
    { KEY: 'short' },
  ],
  [
    'mcp.json --api-key-env KEY',
    '--api-key-env: the key in KEY must have at least 16 of the characters A-Z a-z 0-9 - . _ ~ + /',
    { KEY: 'with a blank in it' },
  ],
])('%j: %s', (line, message, env = {}) => {
  expect(() => read(line, env)).toThrow(new CommandError(message))
})
