/** The script of the pages. The pages work without it, but for what it adds here. */
import { enableCopyButtons } from './copying.ts'
import { enableFilters } from './filtering.ts'
import { enableLiveFigures } from './live-figures.ts'
import { enableTrials } from './try-it.ts'

document.documentElement.classList.add('js')
enableCopyButtons()
enableFilters()
enableTrials()
enableLiveFigures()
