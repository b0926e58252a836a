"""The routes of other services' protocols, by the function that answers them.

A module of a protocol is imported at its first request, so that no cold start pays for unused protocols.
"""

from dataclasses import dataclass
from typing import Final

_PACKAGE: Final = "larder.compat"
_ENDPOINT: Final = "/endpoints/{endpoint}"


@dataclass(frozen=True, slots=True)
class CompatRoute:
    """A route of a protocol.

    Attributes:
        method: The HTTP method.
        path: The path as the template has it.
        target: ``module:function`` in this package; see ``larder.web.router.Router.lazy``.
        action: What the route does, as scopes of keys name it; empty for a public route.
    """

    method: str
    path: str
    target: str
    action: str

    @property
    def full_target(self) -> str:
        """``target`` with its package."""
        return f"{_PACKAGE}.{self.target}"


CLASSIFY: Final[tuple[CompatRoute, ...]] = (
    CompatRoute("POST", "/", "root:answer", "classify"),
    CompatRoute("POST", "/rekognition", "aws_json:answer", "classify"),
    CompatRoute("POST", f"{_ENDPOINT}/invocations", "sagemaker.classifiers:invoke", "classify"),
    CompatRoute("POST", f"{_ENDPOINT}/async-invocations", "sagemaker.classifiers:refuse_async", "classify"),
    CompatRoute("POST", f"{_ENDPOINT}/invocations-response-stream", "sagemaker.classifiers:refuse_stream", "classify"),
    CompatRoute("GET", "/ping", "sagemaker.container:ping", ""),
    CompatRoute("POST", "/invocations", "sagemaker.container:invoke", "classify"),
    CompatRoute("GET", "/v2/health/live", "open_inference.api:live", ""),
    CompatRoute("GET", "/v2/health/ready", "open_inference.api:ready", ""),
    CompatRoute("GET", "/v2", "open_inference.api:server_metadata", "classify"),
    CompatRoute("GET", "/v2/models/{name}", "open_inference.api:model_metadata", "classify"),
    CompatRoute("GET", "/v2/models/{name}/ready", "open_inference.api:model_ready", "classify"),
    CompatRoute("GET", "/v2/models/{name}/config", "open_inference.api:model_config", "classify"),
    CompatRoute("GET", "/v2/models/{name}/stats", "open_inference.api:model_statistics", "classify"),
    CompatRoute("POST", "/v2/models/{name}/infer", "open_inference.api:infer", "classify"),
    CompatRoute("GET", "/v2/models/{name}/versions/{version}", "open_inference.api:model_metadata", "classify"),
    CompatRoute("GET", "/v2/models/{name}/versions/{version}/ready", "open_inference.api:model_ready", "classify"),
    CompatRoute("GET", "/v2/models/{name}/versions/{version}/config", "open_inference.api:model_config", "classify"),
    CompatRoute("GET", "/v2/models/{name}/versions/{version}/stats", "open_inference.api:model_statistics", "classify"),
    CompatRoute("POST", "/v2/models/{name}/versions/{version}/infer", "open_inference.api:infer", "classify"),
    CompatRoute("POST", "/v2/repository/index", "open_inference.api:repository_index", "models:read"),
    CompatRoute("POST", "/v2/repository/models/{name}/load", "open_inference.api:load", "classify"),
    CompatRoute("POST", "/v2/repository/models/{name}/unload", "open_inference.api:unload", "classify"),
    CompatRoute("POST", "/v1/{method}", "google_vision:annotate", "classify"),
    CompatRoute("POST", "/v1/projects/{project}/{method}", "google_vision:annotate", "classify"),
    CompatRoute("POST", "/v1/projects/{project}/locations/{location}/{method}", "google_vision:annotate", "classify"),
    CompatRoute("GET", "/oauth/2.0/token", "baidu.token:issue", ""),
    CompatRoute("POST", "/oauth/2.0/token", "baidu.token:issue", ""),
    CompatRoute("POST", "/rest/2.0/image-classify/v1/{kind}", "baidu.images:recognise", "classify"),
    CompatRoute("POST", "/rest/2.0/image-classify/v1/classify/{kind}", "baidu.images:recognise", "classify"),
    CompatRoute("POST", "/rest/2.0/image-classify/v2/{kind}", "baidu.images:recognise", "classify"),
    CompatRoute("POST", "/rpc/2.0/ai_custom/v1/classification/{name}", "baidu.images:classify", "classify"),
)
RECOMMEND: Final[tuple[CompatRoute, ...]] = (
    CompatRoute("POST", f"/recommenders{_ENDPOINT}/invocations", "sagemaker.recommenders:invoke", "recommend"),
    CompatRoute("POST", "/recommendations", "personalize.runtime:get_recommendations", "recommend"),
    CompatRoute("POST", "/personalize-ranking", "personalize.runtime:get_personalized_ranking", "recommend"),
    CompatRoute("POST", "/action-recommendations", "personalize.runtime:get_action_recommendations", "recommend"),
)
EVENTS: Final[tuple[CompatRoute, ...]] = (
    CompatRoute("POST", "/events", "personalize.events:put_events", "events"),
    CompatRoute("POST", "/items", "personalize.events:put_items", "items"),
    CompatRoute("POST", "/users", "personalize.events:put_users", "users"),
    CompatRoute("POST", "/action-interactions", "personalize.events:put_actions", "events"),
    CompatRoute("POST", "/actions", "personalize.events:put_actions", "items"),
)
MODELS: Final[tuple[CompatRoute, ...]] = (CompatRoute("POST", "/personalize", "aws_json:answer", "models:read"),)
