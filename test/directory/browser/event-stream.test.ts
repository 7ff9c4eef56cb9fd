// The reader of event streams in the browser, at any cut.
import { readEvents } from '../../../lib/directory/browser/event-stream.ts'

async function read(text: string, cut = text.length): Promise<{ data: string[]; end: unknown }> {
  const bytes = new TextEncoder().encode(text)
  const data: string[] = []
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      for (let at = 0; at < bytes.length; at += cut) controller.enqueue(bytes.slice(at, at + cut))
      controller.close()
    },
  })
  const end = await readEvents(body, (each) => data.push(each))
  return { data, end }
}

const STREAM =
  ': hello\r\nid: 1\r\nretry: 50\r\ndata: {"a":"é"}\r\n\r\ndata:two\ndata: lines\n\nevent: x\rid:2\rdata: 3\r\r'

test.each([1, 2, 3, 7, 1_000])('SE1 events are the same, cut every %i bytes', async (cut) => {
  const { data, end } = await read(`${STREAM}data: unfinished`, cut)
  expect(data).toEqual(['{"a":"é"}', 'two\nlines', '3'])
  expect(end).toEqual({ lastEventId: '2', retryMs: 50 })
})

test('without ids a stream cannot be resumed; an empty id takes it back', async () => {
  expect((await read('data: 1\n\n')).end).toEqual({ lastEventId: undefined, retryMs: 1_000 })
  expect((await read('id: 1\ndata: 1\n\nid\ndata: 2\n\n')).end).toMatchObject({ lastEventId: undefined })
  expect((await read('retry: 99999999\n\n')).end).toMatchObject({ retryMs: 30_000 })
})

test('an event that is too long ends the reading', async () => {
  const line = `data: ${'x'.repeat(1024 * 1024)}\n`
  await expect(read(line.repeat(33), 1024 * 1024)).rejects.toThrow('too long')
})
