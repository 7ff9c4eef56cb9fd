/** Writes a JSON document as it arrives. */
import type { End } from '../exchange/body.ts'
import { Writer } from './writer.ts'

export class DocumentWriter extends Writer {
  protected write(chunk: Buffer): void {
    this.put(chunk)
  }

  /** A document that breaks off closes the connection, so that the client cannot take it for complete. */
  protected conclude({ how }: End): void {
    if (how === 'broken') this.response.destroy()
    else this.response.end()
  }
}
