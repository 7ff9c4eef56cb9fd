import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readMcpFile } from '../../lib/cli/mcp-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'mcp-file-'))
const path = join(folder, 'mcp.json')
afterAll(() => rmSync(folder, { recursive: true }))

function read(text: string | object): ReturnType<typeof readMcpFile> {
  writeFileSync(path, typeof text === 'string' ? text : JSON.stringify(text))
  return readMcpFile(path)
}

/** The message of the fault, without the path of the file. */
function faultOf(text: string | object): string {
  try {
    read(text)
  } catch (error) {
    return (error as Error).message.replace(`${path}:`, '')
  }
  return ''
}

test('mcpServers and VS Code’s servers are read, and what other clients add is ignored', () => {
  const entries = {
    weather: { url: 'http://h/mcp', headers: { 'x-key': '${KEY}' }, timeout: 60, autoApprove: ['*'] },
    old: { type: 'sse', url: 'http://h/sse' },
    files: { type: 'stdio', command: 'npx', args: ['-y', 'x'], env: { A: 'b' }, cwd: '/srv' },
    off: { command: 'x', disabled: true },
  }
  const read1 = read({ mcpServers: entries })
  expect(read1).toEqual([
    {
      name: 'weather',
      isDisabled: false,
      remote: { type: 'http', url: 'http://h/mcp', headers: { 'x-key': '${KEY}' } },
    },
    { name: 'old', isDisabled: false, remote: { type: 'sse', url: 'http://h/sse', headers: {} } },
    { name: 'files', isDisabled: false, command: { command: 'npx', args: ['-y', 'x'], env: { A: 'b' }, cwd: '/srv' } },
    { name: 'off', isDisabled: true, command: { command: 'x', args: [], env: {}, cwd: undefined } },
  ])
  expect(read({ servers: entries, inputs: [] })).toEqual(read1)
})

const one = (entry: object): string => `{\n  "servers": {\n    "a": ${JSON.stringify(entry)}\n  }\n}`

test.each<[text: string | object, fault: string]>([
  ['{ "mcpServers": {\n    "a": { "url": "http://h/" }\n    "b": {} } }', '3:5: a comma or "}" is expected'],
  ['[]', '1:1: an object is expected: { "mcpServers": { "weather": { "url": "http://127.0.0.1:8080/mcp" } } }'],
  [
    {},
    '1:1: there is neither "mcpServers" nor "servers": { "mcpServers": { "weather": { "url": "http://127.0.0.1:8080/mcp" } } }',
  ],
  ['{\n "mcpservers": {} }', '2:2: there is neither "mcpServers" nor "servers": is "mcpservers" meant to be it?'],
  ['{ "mcpServers": {},\n "servers": {} }', '2:2: there are both "mcpServers" and "servers": keep one'],
  ['{ "servers": [] }', '1:3: "servers" must be an object of servers by name, not an array'],
  ['{ "servers": {} }', '1:3: "servers" is empty: add a server'],
  ['{ "servers": {\n  "": {} } }', '2:3: "": this name cannot be part of a URL: choose another'],
  ['{ "servers": { "..": {} } }', '1:16: "..": this name cannot be part of a URL: choose another'],
  ['{ "servers": { "a": "http://h/" } }', '1:16: "a": an object with "url" or "command" is expected, not a string'],
  [one({}), '3:5: "a": there is neither "url" nor "command"'],
  [one({ comand: 'x' }), '3:11: "a": there is neither "url" nor "command": is "comand" meant to be "command"?'],
  [one({ URL: 'x' }), '3:11: "a": there is neither "url" nor "command": is "URL" meant to be "url"?'],
  [one({ url: 'x', command: 'y' }), '3:21: "a": there are both "url" and "command"'],
  [one({ url: 'x', type: 'stdio' }), '3:21: "a": "type": "stdio" needs "command"'],
  [one({ command: 'x', type: 'http' }), '3:25: "a": "type": "http" needs "url"'],
  [one({ url: 'x', type: 'websocket' }), '3:21: "a": "type" must be "http", "sse" or "stdio", not "websocket"'],
  [one({ url: 7 }), '3:11: "a": "url" must be a text'],
  [one({ command: '' }), '3:11: "a": "command" must be a text'],
  [one({ command: 'x', args: 'y' }), '3:25: "a": "args" must be an array of texts'],
  [one({ command: 'x', args: [7] }), '3:25: "a": "args" must be an array of texts'],
  [one({ command: 'x', env: { A: 7 } }), '3:25: "a": "env" must be an object of names and texts'],
  [one({ command: 'x', cwd: 7 }), '3:25: "a": "cwd" must be a text'],
  [
    one({ command: 'x', envFile: '.env' }),
    '3:25: "a": "envFile" is not read here: set its variables, and name them in "env" as ${VAR}',
  ],
  [one({ url: 'x', headers: { 'x-key': 5555 } }), '3:21: "a": "headers" must be an object of names and texts'],
  [one({ url: 'x', headers: ['secret'] }), '3:21: "a": "headers" must be an object of names and texts'],
])('%j: %s', (text, fault) => expect(faultOf(text)).toBe(fault))

test('a file that cannot be read says why', () => {
  mkdirSync(join(folder, 'there'))
  const fault = (name: string) => () => readMcpFile(join(folder, name))
  expect(fault('nowhere.json')).toThrow(/nowhere\.json: there is no such file$/)
  expect(fault('there')).toThrow(/there is a folder: name the file in it$/)
  writeFileSync(join(folder, 'large.json'), ' '.repeat(4 * 1024 * 1024 + 1))
  expect(fault('large.json')).toThrow(/large\.json is too large for a list of servers$/)
})
