/** Writes a JSON document as it comes. */
import type { End } from '../exchange/body.ts'
import { Writer } from './writer.ts'

export class DocumentWriter extends Writer {
  protected write(chunk: Buffer): void {
    this.put(chunk)
  }

  /** A document that breaks off must look broken. */
  protected conclude({ how }: End): void {
    if (how === 'broken') this.response.destroy()
    else this.response.end()
  }
}
