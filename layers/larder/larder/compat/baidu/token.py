"""``/oauth/2.0/token``: an access token for the id and the secret of a key."""

from typing import Any, Final

from larder.compat.parameters import query_and_form
from larder.errors import InvalidRequest, Unauthorized
from larder.web.model_service import ModelService
from larder.web.request import Request
from larder.web.resolver import Response
from larder.web.responses import Problem, json_response

_SCOPE: Final = "public brain_all_scope"  # without brain_all_scope, the client signs requests in place of using tokens
_NO_KEYS: Final = ("any", 2_592_000)  # where no key is needed, any token is accepted
_ERRORS: Final = {400: "invalid_request", 401: "invalid_client"}


def issue(request: Request, service: "ModelService[Any]") -> Response[str]:
    """An access token, for ``client_id`` and ``client_secret`` in the query string or in a form."""
    values = query_and_form(request)
    if values.get("grant_type", "client_credentials") != "client_credentials":
        raise InvalidRequest(f"grant_type is {values['grant_type'][:40]!r}: send client_credentials.")
    token, seconds = _NO_KEYS
    if service.settings.checks_keys:
        try:
            key_id, secret = values["client_id"], values["client_secret"]
        except KeyError as error:
            raise InvalidRequest(f"{error.args[0]} is missing: send the id and the secret of a key.") from error
        token, seconds = service.callers.authenticator.issue_token(key_id, secret)
    # Fields that Baidu answers too and that clients may look for; there is no session here and nothing to refresh.
    unused = dict.fromkeys(("refresh_token", "session_key", "session_secret"), "")
    return json_response({"access_token": token, "expires_in": seconds, "scope": _SCOPE, **unused})


def format_error(problem: Problem, _: Request) -> Response[str]:
    """The form of an OAuth error."""
    status = 401 if isinstance(problem.error, Unauthorized) else problem.status
    document = {"error": _ERRORS.get(status, "server_error"), "error_description": problem.message}
    return json_response(document, status=status, headers=problem.headers)
