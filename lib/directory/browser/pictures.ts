/** Draws pictures on a canvas: the policy of the page loads no image, and no format of the browser runs a script. */
import { element } from './elements.ts'

/** The largest side that is drawn, in pixels, and the longest Base64 text that is decoded. */
const MAX_SIDE = 2_048
const MAX_BASE64 = 24 * 1024 * 1024

/** A picture; a text in its place when the browser cannot decode it. SVG is one of those. */
export function picture(base64: string, type: string): HTMLElement {
  const shown = element('div', { class: 'picture' })
  draw(base64, type).then(
    (canvas) => shown.append(canvas),
    () => shown.append(element('p', { class: 'quiet' }, `A picture (${type || 'of no type'}) that cannot be shown.`)),
  )
  return shown
}

async function draw(base64: string, type: string): Promise<HTMLCanvasElement> {
  if (base64.length > MAX_BASE64) throw new Error('too large')
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
  const bitmap = await createImageBitmap(new Blob([bytes], { type }))
  const { width, height } = bitmap
  const scale = Math.min(1, MAX_SIDE / Math.max(width, height))
  const label = `Picture, ${type}, ${width} × ${height}`
  const size = { width: Math.ceil(width * scale), height: Math.ceil(height * scale) }
  const canvas = element('canvas', { ...size, role: 'img', 'aria-label': label })
  canvas.getContext('2d')!.drawImage(bitmap, 0, 0, size.width, size.height)
  bitmap.close()
  return canvas
}
