// A server's process gets a few variables of the gateway, those that are let in, and its own.
import { checkVariables, environmentOf } from '../../lib/stdio/environment.ts'

const before = { ...process.env }

afterEach(() => {
  process.env = { ...before }
})

test('it has what programs need, what is let in, and its own, which wins', () => {
  process.env = { PATH: '/bin', HOME: '/home/ada', SECRET: 's', PROXY: 'p', TERM: '() { :; }; x' }
  expect(environmentOf({ HOME: '/srv', TOKEN: 't' }, ['PROXY', 'NONE'])).toEqual({
    PATH: '/bin',
    HOME: '/srv',
    PROXY: 'p',
    TOKEN: 't',
  })
})

test.each([
  [{ 'A=B': 'x' }, /"A=B"/],
  [{ '': 'x' }, /""/],
  [{ A: 'hunter2\0' }, /"A"/],
  [{ A: undefined }, /"A"/],
  [new Map([['A', 'x']]), /must be an object/],
  ['A=x', /must be an object/],
])('%j is a TypeError that repeats no value', (variables, words) => {
  const check = (): void => checkVariables('"stdio.env"', variables)
  expect(check).toThrow(TypeError)
  expect(check).toThrow(words)
  expect(check).not.toThrow(/hunter2/)
})
