/** Frees the memory of bytes that nobody will read again, ahead of the garbage collector. */
import { MessageChannel, type MessagePort } from 'node:worker_threads'

/** A newer method than the compiler's library has: Node has it since 22. */
type Transferable = ArrayBuffer & { readonly transfer?: (bytes: number) => ArrayBuffer }

/** A port whose messages are dropped. */
let nowhere: MessagePort | undefined

/**
 * Detaches an ArrayBuffer, after which all views of it are empty. V8 counts what a socket has read against its heap until
 * it is collected, so that relaying long documents would start one full collection after the other.
 */
export function freeMemory(buffer: ArrayBuffer): void {
  const { transfer } = buffer as Transferable
  if (transfer) transfer.call(buffer, 0)
  else (nowhere ??= closedPort()).postMessage(undefined, [buffer])
}

function closedPort(): MessagePort {
  const { port1, port2 } = new MessageChannel()
  port2.close()
  port1.unref()
  return port1
}
