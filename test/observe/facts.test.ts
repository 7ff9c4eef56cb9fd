// Facts about messages that records, spans and measurements have in common.
import { serverOf } from '../../lib/observe/facts.ts'
import { exchangeOf } from '../support/pipeline-exchange.ts'

test('a message to a member of an aggregate has the name that hooks know it by, and no other', () => {
  const exchange = exchangeOf()
  const [name] = exchange.path
  const toMember = exchange.forMember(`${name}/crm`, undefined, exchange)
  expect([serverOf(exchange), serverOf(toMember)]).toEqual([name, `${name}/crm`])
})
