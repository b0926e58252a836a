"""Filters of items, in the item part of Amazon Personalize's filter language.

::

    INCLUDE ItemID WHERE Items.CATEGORY IN ("shoes", $WANTED) AND Items.PRICE <= 50
    | EXCLUDE ItemID WHERE Items.BRAND IN ("Acme")

:func:`parse` reads the text, :func:`compile_filter` checks it against a release's item columns and turns it into a
function of an item number. A parsed filter is plain data, so the rest of the language (interactions, the current user)
can be added as new kinds of conditions.

A column whose name has other characters than letters, digits and ``_`` is in double quotes or backquotes:
``Items."price ($)"``.

Semantics that Personalize's guide leaves open: AND binds tighter than OR. A value of a category or text column may hold
several values, separated by ``|``; IN is true if any of them, or the whole, is listed. For an item without a value,
every comparison and every IN is false, so NOT IN is true.
"""

from larder.filters.compiler import CompiledFilter, Items, Predicate, Value, compile_filter
from larder.filters.lexer import MAX_CHARACTERS, column_reference
from larder.filters.parser import parse
from larder.filters.syntax import Clause, Comparison, Condition, Filter, Membership, Parameter

__all__ = [
    "MAX_CHARACTERS",
    "Clause",
    "Comparison",
    "CompiledFilter",
    "Condition",
    "Filter",
    "Items",
    "Membership",
    "Parameter",
    "Predicate",
    "Value",
    "column_reference",
    "compile_filter",
    "parse",
]
