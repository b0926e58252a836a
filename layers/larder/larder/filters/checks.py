"""Check a parsed filter against the columns of a release, before any value is known."""

from collections.abc import Mapping

from larder.filters.lexer import column_reference, refuse
from larder.filters.syntax import Comparison, Condition, Filter, ItemInView, Membership, Parameter
from larder.release.serving import ColumnType

Columns = Mapping[str, ColumnType]
_TRAIN_AGAIN = "train the model again and publish it, then Interactions can be used"
_EQUALITIES = ("=", "!=")


def check_columns(rule: Filter, items: Columns, users: Columns, *, knows_interactions: bool) -> None:
    """Raise InvalidRequest, with the position, for a condition that a release cannot answer.

    Args:
        rule: The parsed filter.
        items: The columns of the items.
        users: The columns of the users.
        knows_interactions: Whether the release states what its users did.
    """
    for condition in rule.conditions():
        if condition.dataset == "Interactions":
            if not knows_interactions:
                refuse(rule.text, condition.position, "this release does not state what its users did", _TRAIN_AGAIN)
            continue
        columns = items if condition.dataset == "Items" else users
        kind = _kind(rule, condition, condition.column, columns)
        _check_type(rule, condition, kind)
        for operand in condition.values if isinstance(condition, Membership) else (condition.operand,):
            if isinstance(operand, ItemInView):
                _check_item_in_view(rule, condition, kind, operand, items)


def _kind(rule: Filter, condition: Condition, column: str, columns: Columns) -> ColumnType:
    kind = columns.get(column)
    if kind is not None:
        return kind
    whose = "users" if condition.dataset == "CurrentUser" else "items"
    names = sorted(columns.items())
    known = ", ".join(f"{column_reference(name, condition.dataset)} ({kind})" for name, kind in names) or "no columns"
    problem = f"this model's {whose} have no column {column}"
    return refuse(rule.text, condition.position, problem, f"they have {known}")


def _check_type(rule: Filter, condition: Condition, kind: ColumnType) -> None:
    if isinstance(condition, Membership):
        if kind == "number":
            remedy = "compare it with =, !=, <, <=, > or >="
            refuse(rule.text, condition.position, f"{condition.column} is a number", remedy)
        return
    if condition.dataset == "Items" and kind != "number":
        refuse(
            rule.text,
            condition.position,
            f"{condition.column} is a {kind}",
            'match it with IN ("...") or NOT IN ("..."), or train with --types NAME=number if its values are numbers',
        )
    if condition.dataset == "CurrentUser":
        _check_user_comparison(rule, condition, kind)


def _check_user_comparison(rule: Filter, condition: Comparison, kind: ColumnType) -> None:
    """A category of a user is compared as a text with = and !=, as in Personalize's examples."""
    if kind == "number" and isinstance(condition.operand, str):
        refuse(rule.text, condition.position, f"{condition.column} is a number", "compare it with a number, like 18")
    if kind != "number" and (condition.operator not in _EQUALITIES or not _is_text(condition.operand)):
        problem = f"{condition.column} is a {kind}"
        refuse(
            rule.text, condition.position, problem, 'match it with =, != or IN and a text in double quotes, like "F"'
        )


def _is_text(operand: object) -> bool:
    return isinstance(operand, str | Parameter)


def _check_item_in_view(
    rule: Filter, condition: Condition, kind: ColumnType, operand: ItemInView, items: Columns
) -> None:
    other = _kind(rule, condition, operand.column, items)
    if (kind == "number") != (other == "number"):
        refuse(
            rule.text,
            condition.position,
            f"{condition.column} is a {kind}, but {operand.column} of the item in view is a {other}",
            "compare columns of one type",
        )
