"""What to do about a refusal: the sentence after the server's own, where one is sure to be right.

Most of it is about 403, which has many authors. A Role helps only if the authorizer refused this
very request; quotas, admission policies, webhooks, impersonation and proxies refuse whatever a Role
grants. So the server's sentence is read and compared with what was asked. What is not recognized
gets no advice, since wrong advice costs more than none. Pure.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .resources import RequestInfo

LONG_TARGET = 8000
"""Bytes. Proxies commonly limit a request line to 8 or 16 KiB; some answer 400 to a longer one."""
LONG_DATA = "send long data through input=, or upload it as a file"
"""What to do about a command that is too long, wherever that is noticed."""


def advice(code: int, reason: str, message: str, info: RequestInfo, target_size: int = 0) -> str:
    """What to do about a failure, or ``""``.

    Args:
        code, reason, message: those of its Status; ``reason`` is ``""`` if the answer is no Status.
        info: what was asked.
        target_size: bytes of the request's path and query.
    """
    refusal = _Refusal(code, reason, message, info, target_size)
    for rule in _RULES:
        found = rule(refusal)
        if found:
            return found
    return ""


def is_too_long(message: str) -> bool:
    """Whether a runtime, a shell or ``env`` rejected a command for its length (E2BIG)."""
    return "argument list too long" in message.lower()


class _Refusal(NamedTuple):
    code: int
    reason: str
    message: str
    info: RequestInfo
    target_size: int


def _for_long_command(refusal: _Refusal) -> str:
    if refusal.info.subresource != "exec":
        return ""
    line_too_long = refusal.code in (414, 431) or (
        # a proxy's answer: no Status, and no word about the length
        refusal.code == 400 and not refusal.reason and refusal.target_size > LONG_TARGET
    )
    if line_too_long or is_too_long(refusal.message):
        return f"the command and its environment are part of the request's URL: {LONG_DATA}"
    return ""


def _for_unreachable_kubelet(refusal: _Refusal) -> str:
    signs = ("error dialing backend", "error sending request")
    if refusal.code == 500 and any(sign in refusal.message for sign in signs):
        return (
            "the API server cannot reach the kubelet of the pod's node; "
            "check that the node is ready"
        )
    return ""


def _for_rejected_credentials(refusal: _Refusal) -> str:
    if refusal.code != 401:
        return ""
    return (
        "the API server does not accept these credentials: log in again, or check the user of the "
        "kubeconfig"
    )


_QUOTA = (
    "a quota of the namespace does not allow it: free up some of it, ask for less, or set what it "
    "demands (kubectl describe quota)"
)
_NAMESPACE_TERMINATING = (
    "the namespace is being deleted: use another one, or wait until it is gone and create it again"
)
_BLOCKS_OWNER = (
    "leave blockOwnerDeletion out of metadata.ownerReferences, or ask for permission to update the "
    "finalizers subresource of the owner"
)
_SETS_OWNER = (
    "setting metadata.ownerReferences requires permission to delete the object: leave them out, or "
    "ask for that permission"
)
_POLICY = (
    "a policy of the cluster refuses it, whatever the user's permissions: change the object "
    "accordingly, or ask the cluster's administrator"
)
_SIGNS_OF_ADMISSION = {
    "admission webhook": _POLICY,  # first: what a webhook says may contain any of the others
    "ValidatingAdmissionPolicy": _POLICY,
    "violates PodSecurity": _POLICY,
    "pod security policy": _POLICY,
    "exceeded quota": _QUOTA,
    "failed quota": _QUOTA,
    "because it is being terminated": _NAMESPACE_TERMINATING,
    "cannot set blockOwnerDeletion": _BLOCKS_OWNER,
    "cannot set an ownerRef": _SETS_OWNER,
}


def _for_admission(refusal: _Refusal) -> str:
    """Admission comes after authorization, and may answer with other codes than 403."""
    if refusal.code not in (400, 403, 422):
        return ""
    for sign, found in _SIGNS_OF_ADMISSION.items():
        if sign in refusal.message:
            return found
    return ""


def _for_proxy(refusal: _Refusal) -> str:
    """A 403 that is no Status is a proxy's. ``kubectl proxy`` says just "Forbidden"."""
    if refusal.code != 403 or refusal.reason or refusal.message != "Forbidden":
        return ""
    if refusal.info.subresource in ("exec", "attach"):
        return (
            "a proxy refused it, not the API server: kubectl proxy lets exec through only when "
            "started with --reject-paths='^$'"
        )
    return (
        "a proxy refused it, not the API server: kubectl proxy does so for hosts and paths that "
        "its --accept-hosts and --accept-paths leave out"
    )


_RESOURCE_DENIED = re.compile(
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
_ANONYMOUS = "system:anonymous"
_IMPERSONATION = re.compile(r"impersonate($|[:-])")  # 1.36 has impersonate-on:user-info:list
_RBAC_REMARK = ": RBAC:"
"""What RBAC itself adds begins so (a binding whose role is gone).

Anything else after the sentence is another authorizer's, and says what that one wants.
"""


def _for_authorizer(refusal: _Refusal) -> str:
    """The rule that grants what was refused, if the sentence is about this very request."""
    if refusal.code != 403 or not refusal.reason:
        return ""
    info = refusal.info
    denied = _RESOURCE_DENIED.search(refusal.message) or _PATH_DENIED.search(refusal.message)
    if denied is None:
        return ""
    if denied["user"] == _ANONYMOUS:
        return (
            "the API server saw no credentials that it knows: none were sent, a proxy removed "
            "them, or the client certificate belongs to another cluster; check the user of the "
            "kubeconfig"
        )
    if _IMPERSONATION.match(denied["verb"]):
        return (
            "the kubeconfig's user acts as another one (its keys as, as-groups…), which "
            f'"{denied["user"]}" may not do: remove them, or ask for permission to impersonate'
        )
    more = denied["more"]
    if more.strip() and not more.startswith(_RBAC_REMARK):
        return ""
    if denied.re is _PATH_DENIED:
        return _rule_for_path(denied, info)
    return _rule_for_resource(denied, info)


def _rule_for_resource(denied: re.Match[str], info: RequestInfo) -> str:
    about = (denied["group"], denied["resource"], denied["namespace"] or "")
    if about != (info.group, info.qualified_resource, info.namespace):
        return ""
    if not info.may_be_refused_as(denied["verb"]):
        return ""
    kind = f'a Role in namespace "{info.namespace}"' if info.namespace else "a ClusterRole"
    rule = info.rule(denied["verb"])
    return f"{kind} bound to the user would allow it with the rule {rule}"


def _rule_for_path(denied: re.Match[str], info: RequestInfo) -> str:
    if info.resource or not info.verb.endswith(f" {denied['path']}"):
        return ""
    rule = f'{{nonResourceURLs: ["{denied["path"]}"], verbs: ["{denied["verb"]}"]}}'
    return f"a ClusterRole bound to the user would allow it with the rule {rule}"


_RULES = (
    _for_long_command,
    _for_unreachable_kubelet,
    _for_rejected_credentials,
    _for_admission,
    _for_proxy,
    _for_authorizer,
)
"""In this order; the first that has something to say is the only one that does."""
