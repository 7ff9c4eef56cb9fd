// Compile-only: a directory goes wherever a gateway goes, and its `list` knows the principal when it is told.
import { createServer } from 'node:http'
import connect from 'connect'
import express from 'express'
import express4 from 'express4'
import { mcpGateway, type Principal } from '../../lib/index.ts'
import { serverDirectory, type ServerDirectory } from '../../lib/directory/index.ts'

interface Member extends Principal {
  readonly tenant: string
}
const url = 'https://weather.example.com/mcp'
const gateway = mcpGateway({ servers: () => ({ url }), authenticate: false })

const directory: ServerDirectory = serverDirectory({
  gateway,
  list: (principal: Member | undefined, { request }) =>
    principal?.tenant === 'acme' && request.method === 'GET' ? { weather: { url, title: 'Weather' } } : {},
})
serverDirectory({ gateway, list: async () => ({ weather: { url } }) })
serverDirectory<Member>({ gateway, list: (principal) => (principal?.tenant ? {} : { weather: { url } }) })

// Every host takes it, and the catalog, as they are.
express().use('/mcp-servers', gateway, directory).use(directory.catalog('/mcp-servers'))
express4().use('/mcp-servers', gateway, directory).get('/.well-known/ai-catalog.json', directory.catalog())
connect().use('/mcp-servers', directory).use(directory.catalog())
createServer(directory)

// @ts-expect-error: it is nothing without a gateway.
serverDirectory({ list: () => ({}) })
// @ts-expect-error: a list has names.
serverDirectory({ gateway, list: () => [{ url }] })
