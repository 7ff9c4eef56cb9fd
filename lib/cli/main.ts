/** The command line: reads the arguments and the file, then serves or checks. */
import { basename } from 'node:path'
import { type CliArguments, readArguments } from './arguments.ts'
import { checkServers } from './check.ts'
import { CommandError, EXIT } from './command-error.ts'
import { HELP, packageVersion } from './help.ts'
import { readMcpFile } from './mcp-file.ts'
import { plainText } from './plain-text.ts'
import { type Served, serve } from './serve.ts'
import { type FileServer, serversOfEntries } from './servers.ts'

/** How long a command may take to end: less where nobody has used it, in milliseconds. */
const PROCESS_GRACE_MS = { check: 500, serve: 2_000 } as const

/** Ctrl-C, `kill`, and the end of the terminal. */
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

const printLine = (text: string): void => void process.stdout.write(`${text}\n`)
const printNote = (text: string): void => void process.stderr.write(`${text}\n`)

/** Resolves to the exit code; `undefined` while the gateway runs, which a signal ends. */
export async function main(argv: readonly string[]): Promise<number | undefined> {
  // Whoever reads the output may stop: `| head`.
  process.stdout.on('error', () => process.exit(EXIT.FAILED))
  try {
    const task = readArguments(argv, process.env)
    if (task === 'help') process.stdout.write(HELP)
    else if (task === 'version') printLine(packageVersion())
    else return await (task.check ? checkFile(task) : serveFile(task))
    return 0
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    printNote(plainText(`express-mcp-gateway: ${error.message}`))
    return error.exitCode
  }
}

function serversOfFile({ file, only, allowCommands, check, verbose }: CliArguments): FileServer[] {
  const servers = serversOfEntries(readMcpFile(file), {
    only,
    allowCommands,
    graceMs: check ? PROCESS_GRACE_MS.check : PROCESS_GRACE_MS.serve,
    onStderr: verbose ? (line, { server }) => printNote(plainText(`${server}: ${line}`)) : undefined,
    env: process.env,
  })
  for (const { name, command, config } of servers) {
    if (command !== undefined && config) printNote(`${plainText(name)} starts ${command}`)
  }
  return servers
}

function checkFile(task: CliArguments): Promise<number> {
  // By default a signal ends the process without its event `exit`, which ends what it has started.
  for (const signal of ENDING) process.on(signal, () => process.exit(EXIT.FAILED))
  const progress = process.stderr.isTTY ? (text: string) => process.stderr.write(`\r\u001b[K${text}`) : () => {}
  return checkServers(serversOfFile(task), task, printLine, progress)
}

async function serveFile(task: CliArguments): Promise<undefined> {
  const servers = serversOfFile(task)
  for (const { name, leftOut } of servers) {
    if (leftOut !== undefined) printNote(`${plainText(name)} is left out: ${leftOut}`)
  }
  const usable = servers.flatMap(({ name, config }) => (config ? [[name, config] as const] : []))
  if (usable.length === 0) throw new CommandError(`No server of ${task.file} is left to serve`)
  const title = basename(task.file)
  const served = await serve({ ...task, servers: Object.fromEntries(usable), title }, printNote)
  const names = usable.map(([name]) => name)
  const width = Math.max(...names.map((name) => plainText(name).length))
  for (const name of names) printLine(`${plainText(name).padEnd(width)}  ${served.endpointOf(name)}`)
  if (task.page) printLine(`The page is at ${served.origin}`)
  printLine('Ctrl-C ends it.')
  endOnSignal(served)
  return undefined
}

/** The first signal lets what is under way finish; the second ends it at once. */
function endOnSignal(served: Served): void {
  let isEnding = false
  const end = (): void => {
    if (isEnding) process.exit(EXIT.FAILED)
    isEnding = true
    printNote('Ending when all is answered; Ctrl-C again ends it at once.')
    void served.close().then(() => {
      process.exitCode = 0
    })
  }
  for (const signal of ENDING) process.on(signal, end)
}
