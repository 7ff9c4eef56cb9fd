/** Writes a JSON document as it comes. */
import type { GatewayError } from '../errors.ts'
import { Writer } from './writer.ts'

export class DocumentWriter extends Writer {
  protected write(chunk: Buffer): void {
    this.response.write(chunk)
  }

  /** A document that breaks off must look broken. */
  protected conclude(_: () => GatewayError, broken = false): void {
    if (broken) this.response.destroy()
    else this.response.end()
  }
}
