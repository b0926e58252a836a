"""Where tests find files: the checkout, the Lambda events, and real data outside the repository."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
EVENTS: Final = ROOT / "tests" / "events"
SHARED: Final = ROOT.parent / "shared" / "data"
