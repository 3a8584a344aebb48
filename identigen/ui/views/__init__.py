"""The page's regions as HTML: pure functions from a visitor to text; one look at the state is one look at the page.

What a click shall do stands in `data-do` (and `data-id`, `data-value`); `assets/ui/page.js` sends it to `events.py`.
Everything that does not come from these files or from `text.py` is escaped.
"""

from identigen.ui.views.about import about
from identigen.ui.views.comparing import comparing
from identigen.ui.views.dock import dock
from identigen.ui.views.frame import footer, header
from identigen.ui.views.people import people
from identigen.ui.views.stage import EXAMPLES, outlines_of, stage

__all__ = ["EXAMPLES", "about", "comparing", "dock", "footer", "header", "outlines_of", "people", "stage"]
