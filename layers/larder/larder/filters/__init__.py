"""Rules over what may be recommended: the part of Amazon Personalize's filter language that speaks of items.

::

    INCLUDE ItemID WHERE Items.CATEGORY IN ("shoes", $WANTED) AND Items.PRICE <= 50
    | EXCLUDE ItemID WHERE Items.BRAND IN ("Acme")

:func:`parse` reads the text, :func:`compile_filter` checks it against a release's item columns and turns it into a
function of an item number. A parsed filter is plain data, so what the language still lacks (interactions, the current
user) grows as new kinds of condition beside the two that there are.

Meaning, where Personalize's guide leaves it open: AND binds tighter than OR; a value of a category column may be
several, separated by ``|``, and IN holds where any of them is listed; an item without a value satisfies no
comparison and no IN, and so every NOT IN.
"""

from larder.filters.compiler import Items, Predicate, Value, compile_filter
from larder.filters.lexer import MAX_CHARACTERS
from larder.filters.parser import parse
from larder.filters.syntax import Clause, Comparison, Condition, Filter, Membership, Parameter

__all__ = [
    "MAX_CHARACTERS",
    "Clause",
    "Comparison",
    "Condition",
    "Filter",
    "Items",
    "Membership",
    "Parameter",
    "Predicate",
    "Value",
    "compile_filter",
    "parse",
]
