"""A whole session at DEBUG: each request can be found in the log, and no secret."""

from __future__ import annotations

import logging
from pathlib import Path
from urllib.parse import quote

import pytest

from devservers import errors
from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer

from .builders import LONG, requests_of
from .staged import StagedServer

CANARY = "C4n4ry/S3cret"
FORMS = (CANARY, quote(CANARY, safe=""), repr(CANARY.encode()), CANARY.encode().hex())


def session(cluster: StagedServer, directory: Path) -> None:
    """What people do, done well and badly, with a canary wherever a value can stand."""
    metadata = ObjectMeta(name="dev", annotations={"note": CANARY})
    server = DevServer(metadata, {"flavor": "cpu-small", "image": "ubuntu:22.04"}, wait_timeout=LONG)
    (directory / "file").write_text(CANARY)
    with server:
        server.exec(["echo", CANARY])
        server.exec(f"echo {CANARY} >&2; exit 3", shell=True, env={"PASSWORD": CANARY}, input=CANARY)
        with pytest.raises(errors.ExecTimeoutError):
            server.exec(["sleep", "100"], env={"PASSWORD": CANARY}, timeout=0.3)
        with pytest.raises(errors.CommandNotFoundError):
            server.exec(["/workspace/" + CANARY])
        server.upload(directory, "/workspace/x")
        server.patch({"metadata": {"annotations": {"other": CANARY}}})
        server.metadata.labels["a"] = "b"
        server.update()
        with pytest.raises(errors.InvalidError):
            server.patch({"spec": {"flavor": {"wrong": CANARY}}})
        with pytest.raises(errors.APIError):
            DevServer.list(label_selector=f"!!{CANARY}")
        DevServer.list(label_selector="note=x", field_selector="metadata.name=dev")
        with cluster.fault.unauthorized_once("get", "devservers"), pytest.raises(errors.UnauthorizedError):
            server.refresh()
        for fault in (cluster.fault.too_many_requests, cluster.fault.bad_gateway_html, cluster.fault.server_error):
            with fault("get", "devservers", times=1):
                server.refresh()
        with cluster.fault.reset_before_execution("get", "devservers", times=1):
            server.refresh()
        with pytest.raises(errors.AlreadyExistsError):
            DevServer.create(ObjectMeta(name="dev", annotations={"note": CANARY}), {"flavor": "cpu-small"})
        next(iter(server.watch(timeout=LONG)))


@pytest.mark.usefixtures("unhurried")
def test_a_session_tells_every_request_and_no_secret(
    either: StagedServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="devservers")
    session(either, tmp_path)
    shown = "\n".join(repr(vars(record)) for record in caplog.records if record.name == "devservers")
    for secret in (either.token, *FORMS, "Bearer", "PASSWORD", "sleep"):
        assert secret not in shown
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.DEBUG]
    sent = sum(" -> " in line or " failed in " in line for line in told)
    assert sent == len(list(either.requests))
    for part in (
        "UPGRADE /api/v1/namespaces/default/pods/", " -> 101 in ", " -> 201 in ", " -> 409 AlreadyExists in ",
        " -> 422 Invalid in ", "attempt 1 failed (429 TooManyRequests): sending it again in ", " -> 401 Unauthorized",
        "attempt 1 failed (502 ServerError)", "attempt 1 failed (ConnectionFailedError: ", "DELETE /apis/devserver.io",
    ):  # fmt: skip
        assert any(part in line for line in told), part
    assert requests_of(either, "GET", quote(CANARY, safe=""))  # the canary was sent, and where it would have shown
