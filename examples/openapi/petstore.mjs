// @ts-check
// The app as it was: a REST API with a login, and the OpenAPI document that describes it.
import express from 'express'

/** @typedef {{ id: string }} User */

const id = { name: 'id', in: 'path', required: true, schema: { type: 'string' } }
const pet = { $ref: '#/components/schemas/Pet' }
const json = (/** @type {object} */ schema) => ({ content: { 'application/json': { schema } }, required: true })
const agents = { tags: ['agents'], responses: { 200: { description: 'As it is' } } }

export const openapi = {
  openapi: '3.1.0',
  info: { title: 'Pets', version: '1.0.0' },
  servers: [{ url: '/api/' }],
  paths: {
    '/pets': {
      get: {
        ...agents,
        operationId: 'listPets',
        summary: 'Lists pets',
        parameters: [
          { name: 'tags', in: 'query', schema: { type: 'array', items: { type: 'string' } } },
          { name: 'ids', in: 'query', explode: false, schema: { type: 'array', items: { type: 'string' } } },
          { name: 'age', in: 'query', style: 'deepObject', schema: { type: 'object' } },
        ],
      },
      post: { ...agents, operationId: 'addPet', summary: 'Adds a pet', requestBody: json(pet) },
    },
    '/pets/{id}': {
      parameters: [id],
      get: {
        ...agents,
        operationId: 'getPet',
        parameters: [{ name: 'x-language', in: 'header', schema: { type: 'string' } }],
      },
      put: { ...agents, operationId: 'replacePet', parameters: [{ ...id, in: 'query' }], requestBody: json(pet) },
      // For people alone.
      delete: { responses: { 204: { description: 'Gone' } }, operationId: 'deletePet' },
    },
    '/a/very/long/path/without/an/operation/id/that/nobody/could/type/{id}': { get: { ...agents, parameters: [id] } },
  },
  components: {
    schemas: {
      Pet: {
        type: 'object',
        required: ['name'],
        properties: { id: { type: 'string' }, name: { type: 'string' }, parent: pet },
      },
    },
  },
}

/** @param {(request: express.Request) => User | undefined} userOf */
export function petstore(userOf) {
  const api = express.Router()
  api.use(express.json(), (req, res, next) => {
    res.locals['user'] = userOf(req)
    if (res.locals['user']) next()
    else res.status(401).json({ error: 'Log in first' })
  })
  // It says what it was asked, and by whom; one pet it does not have.
  api.use((req, res) => {
    if (req.path === '/pets/nobody') return void res.status(404).json({ error: 'No such pet' })
    const { method, originalUrl, query, body } = req
    res.json({ method, originalUrl, query, body, language: req.get('x-language'), user: res.locals['user'].id })
  })
  return express.Router().use('/api', api)
}
