"""What to do about a refusal: the sentence that follows the server's own, where one is sure to fit.

A 403 has many authors. Only the authorizer's sentence about this very request can be answered by a
Role: quotas, admission policies and webhooks, impersonation and proxies refuse whatever a Role
grants. So the sentence is read and compared with what was asked; what is not recognised gets no
advice, for wrong advice costs more than none. Pure.
"""

from __future__ import annotations

import re

from .resources import RequestInfo

LONG_TARGET = 8000
"""Bytes. Proxies commonly limit a request line to 8 or 16 KiB; some answer 400 to a longer one."""
LONG_DATA = "send long data through input=, or upload it as a file"
"""What to do with a command that is too long, wherever that is noticed."""

_DENIED = re.compile(
    r'User "(?P<user>.*?)" cannot (?P<verb>\S+) '
    r'resource "(?P<resource>[^"]*)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]*)"| at the cluster scope)(?P<more>.*)',
    re.DOTALL,
)
_PATH_DENIED = re.compile(
    r'User "(?P<user>.*?)" cannot (?P<verb>\S+) '
    r'path "(?P<path>[^"]*)"(?P<more>.*)',
    re.DOTALL,
)
_NOT_ACCEPTED = "the API server does not accept these credentials: log in again, or check the user of the kubeconfig"
_ANONYMOUS = "system:anonymous"
_IMPERSONATION = re.compile(r"impersonate($|[:-])")  # 1.36 has impersonate-on:user-info:list
_RBAC_REMARK = ": RBAC:"
"""So begins what RBAC itself adds (a binding whose role is gone); other additions are another
authorizer's, which say what it wants."""

_QUOTA = (
    "a quota of the namespace does not allow it: free some of it, ask for less, or set what it "
    "demands (kubectl describe quota)"
)
_NAMESPACE_GOES = "the namespace is being deleted: use another one, or wait until it is gone and create it anew"
_BLOCKS_OWNER = (
    "leave blockOwnerDeletion out of metadata.ownerReferences, or ask for the right to update the "
    "finalizers subresource of the owner"
)
_SETS_OWNER = (
    "whoever sets metadata.ownerReferences must be allowed to delete the object: leave them out, or ask for that right"
)
_POLICY = (
    "a policy of the cluster refuses it, whatever the user's rights: change the object "
    "accordingly, or ask whoever runs the cluster"
)
_OTHER_REFUSALS = {
    "admission webhook": _POLICY,  # first, for what it says is anybody's
    "ValidatingAdmissionPolicy": _POLICY,
    "violates PodSecurity": _POLICY,
    "pod security policy": _POLICY,
    "exceeded quota": _QUOTA,
    "failed quota": _QUOTA,
    "because it is being terminated": _NAMESPACE_GOES,
    "cannot set blockOwnerDeletion": _BLOCKS_OWNER,
    "cannot set an ownerRef": _SETS_OWNER,
}
"""Signs of refusals by others than the authorizer, which may come with other codes than 403."""


def advice(code: int, reason: str, message: str, info: RequestInfo, target_size: int = 0) -> str:
    """What to do about a failure, or ``""``.

    Args:
        code, reason, message: of its Status; of an answer that is none, ``reason`` is ``""``.
        info: what was asked.
        target_size: bytes of the request's path and query.
    """
    if info.subresource == "exec" and _is_too_long(code, reason, message, target_size):
        return f"command and environment travel in the request's URL: {LONG_DATA}"
    if code == 500 and ("error dialing backend" in message or "error sending request" in message):
        return "the API server does not reach the kubelet of the pod's node: is that node ready?"
    if code == 401:
        return _NOT_ACCEPTED
    for sign, what in _OTHER_REFUSALS.items():
        if code in (400, 403, 422) and sign in message:
            return what
    if code != 403:
        return ""
    return _of_authorizer(message, info) if reason else _of_proxy(message, info)


def is_too_long(message: str) -> bool:
    """Whether a runtime, a shell or ``env`` could not pass a command on for its length (E2BIG)."""
    return "argument list too long" in message.lower()


def _is_too_long(code: int, reason: str, message: str, target_size: int) -> bool:
    if code in (414, 431) or is_too_long(message):
        return True
    return code == 400 and not reason and target_size > LONG_TARGET


def _of_proxy(message: str, info: RequestInfo) -> str:
    """A 403 that is no Status is not the API server's. ``kubectl proxy`` says just "Forbidden"."""
    if message != "Forbidden":
        return ""
    if info.subresource in ("exec", "attach"):
        return (
            "a proxy refused it, not the API server: kubectl proxy lets exec through only when "
            "started with --reject-paths='^$'"
        )
    return (
        "a proxy refused it, not the API server: kubectl proxy does so for hosts and paths that "
        "its --accept-hosts and --accept-paths leave out"
    )


def _of_authorizer(message: str, info: RequestInfo) -> str:
    denied = _DENIED.search(message) or _PATH_DENIED.search(message)
    if denied is None:
        return ""
    if denied["user"] == _ANONYMOUS:
        return (
            "the API server saw no credentials that it knows: none were sent, a proxy removed them, "
            "or the client certificate is of another cluster; check the user of the kubeconfig"
        )
    if _IMPERSONATION.match(denied["verb"]):
        return (
            "the kubeconfig's user acts as another one (its keys as, as-groups…), which "
            f'"{denied["user"]}" may not do: remove them, or ask for the right to impersonate'
        )
    more = denied["more"]
    if more.strip() and not more.startswith(_RBAC_REMARK):
        return ""
    if denied.re is _PATH_DENIED:
        return _of_path(denied, info)
    about = (denied["group"], denied["resource"], denied["namespace"] or "")
    if about != (info.group, info.qualified_resource, info.namespace):
        return ""
    if not info.may_be_refused_as(denied["verb"]):
        return ""
    kind = f'a Role in namespace "{info.namespace}"' if info.namespace else "a ClusterRole"
    rule = info.rule(denied["verb"])
    return f"{kind} bound to the user would allow it with the rule {rule}"


def _of_path(denied: re.Match[str], info: RequestInfo) -> str:
    if info.resource or not info.verb.endswith(f" {denied['path']}"):
        return ""
    rule = f'{{nonResourceURLs: ["{denied["path"]}"], verbs: ["{denied["verb"]}"]}}'
    return f"a ClusterRole bound to the user would allow it with the rule {rule}"
