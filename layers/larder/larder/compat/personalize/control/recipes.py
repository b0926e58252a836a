"""Recipes: Larder has one, which answers for users and items, and ranks."""

from typing import Final

from larder.compat.parameters import Parameters
from larder.compat.personalize.control.models import ACTIVE, PAGING, READ, AnyService, Document
from larder.compat.personalize.names import RECIPE
from larder.errors import NotFound
from larder.web.request import Request

_RECIPE: Final[Document] = {"name": RECIPE.rpartition("/")[2], "recipeArn": RECIPE, "status": ACTIVE}
_DETAILS: Final[Document] = {
    "recipeType": "USER_PERSONALIZATION",
    "description": "Recommends items to users, also to new ones; the same model answers with related items and ranks.",
}


def list_recipes(request: Request, _: AnyService, values: Document) -> Document:
    """The recipe; none of a domain."""
    sent = Parameters(values, ("recipeProvider", "domain", *PAGING.parameters))
    request.caller.check(READ)
    names, token = PAGING.page(sent, [] if "domain" in sent else [RECIPE])
    return {"recipes": [_RECIPE for _ in names], **token}


def describe_recipe(request: Request, _: AnyService, values: Document) -> Document:
    """The recipe."""
    sent = Parameters(values, ("recipeArn",))
    request.caller.check(READ)
    if sent.text("recipeArn") != RECIPE:
        raise NotFound(f"There is one recipe, {RECIPE}: every model is trained with it.")
    return {"recipe": {**_RECIPE, **_DETAILS}}
