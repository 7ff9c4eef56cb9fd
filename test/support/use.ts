// Closes what a test has opened, last opened first.

interface Closable {
  close(): Promise<unknown>
}

const opened: Closable[] = []

/** Waits for something that opens; `closeUsed` closes it. */
export async function use<T extends Closable>(opening: Promise<T> | T): Promise<T> {
  const it = await opening
  opened.unshift(it)
  return it
}

/** To be called after each test. */
export async function closeUsed(): Promise<void> {
  for (const it of opened.splice(0)) await it.close()
}
