"""Filters of items, in Amazon Personalize's filter language.

::

    INCLUDE ItemID WHERE Items.CATEGORY IN ("shoes", $WANTED) AND Items.PRICE <= CurrentItem.PRICE
    | EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("purchase")
    | EXCLUDE ItemID WHERE Items.BRAND IN ("Acme") IF CurrentUser.AGE < 18

:func:`parse` reads the text, :func:`check_columns` checks it against the columns of a release, and
:func:`compile_filter` turns it into a function of an item number for one request (:class:`Context`). A parsed filter is
plain data.

A column whose name has other characters than letters, digits and ``_`` is in double quotes or backquotes:
``Items."price ($)"``.

Semantics that Personalize's guide leaves open: AND binds tighter than OR. A value of a category or text column may hold
several values, separated by ``|``; IN is true if any of them, or the whole, is listed. For an item without a value,
every comparison and every IN is false, so NOT IN is true; the same holds for users and for the item in view.
``Interactions.EVENT_TYPE NOT IN ("click")`` is true for the items that the user has not clicked. A clause whose IF does
not hold is not part of the filter. Event types are compared without case, all else exactly.

Larder does not enforce Personalize's limits of 5 columns a filter and 10 filters; a filter has at most 2,500 characters
and compares a column with at most 1,000 values. A release states a user's 100 newest items of each event type.
"""

from larder.filters.checks import check_columns
from larder.filters.compiler import CompiledFilter, compile_filter, compile_rule
from larder.filters.conditions import Predicate
from larder.filters.context import NO_CONTEXT, Context, History
from larder.filters.lexer import MAX_CHARACTERS, column_reference
from larder.filters.parser import parse
from larder.filters.syntax import Clause, Comparison, Condition, Filter, ItemInView, Membership, Parameter
from larder.filters.values import Items, Value

__all__ = [
    "MAX_CHARACTERS",
    "NO_CONTEXT",
    "Clause",
    "Comparison",
    "CompiledFilter",
    "Condition",
    "Context",
    "Filter",
    "History",
    "ItemInView",
    "Items",
    "Membership",
    "Parameter",
    "Predicate",
    "Value",
    "check_columns",
    "column_reference",
    "compile_filter",
    "compile_rule",
    "parse",
]
