"""Other clients against the fake: it must answer them as a cluster does."""

from __future__ import annotations

import gc
import importlib.util
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakeapiserver import FakeAPIServer
from tests.fakeapiserver.operator import Operator
from tests.fakeapiserver.operator.kopfstate import FINALIZER
from tests.fakeapiserver.operator.podstatus import is_ready
from tests.fakeapiserver.vocabulary.objects import Object

from .plainclient import devserver
from .watching import until_gone, until_phase, until_pod

WHY = "a client of extra 'verify', which is not installed"
DEVSERVERS = ("devserver.io", "v1", "default", "devservers")

# They warn about their own affairs: sockets left to the garbage collector, unknown versions.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def cluster(request: pytest.FixtureRequest) -> Iterator[FakeAPIServer]:
    with FakeAPIServer(tls=request.param) as server:
        yield server
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()  # their sockets go now, while their warnings are ignored


def installed(name: str) -> Any:
    """The module if its distribution is installed: one that is installed but cannot be imported is a failure."""
    if importlib.util.find_spec(name.partition(".")[0]) is None:
        pytest.skip(WHY)
    return importlib.import_module(name)


def phase(obj: Any) -> str:
    return str((obj.get("status") or {}).get("phase", ""))


def ready_with_image_x(pod: Object) -> bool:
    return is_ready(pod) and bool(pod["spec"]["containers"][0]["image"] == "x")


class TestTheOfficialClient:
    @pytest.fixture
    def kubernetes(self, cluster: FakeAPIServer) -> Iterator[Any]:
        module = installed("kubernetes")
        module.config.load_kube_config(str(cluster.kubeconfig))
        yield module
        module.client.Configuration.set_default(None)

    def test_crud_and_watch(self, kubernetes: Any, cluster: FakeAPIServer) -> None:
        api = kubernetes.client.CustomObjectsApi()
        created = api.create_namespaced_custom_object(*DEVSERVERS, devserver("a"))
        watch = kubernetes.watch.Watch()
        phases = []
        for event in watch.stream(api.list_namespaced_custom_object, *DEVSERVERS, timeout_seconds=10):
            phases.append(phase(event["object"]))
            if phases[-1] == "Running":
                watch.stop()
        assert phases[-1] == "Running"
        Operator.of(cluster).pause()  # lest it write between the two
        patched = api.patch_namespaced_custom_object(*DEVSERVERS, "a", {"spec": {"image": "x"}})
        assert (patched["spec"]["image"], patched["metadata"]["uid"]) == ("x", created["metadata"]["uid"])
        patched["spec"]["image"] = "y"
        assert api.replace_namespaced_custom_object(*DEVSERVERS, "a", patched)["spec"]["image"] == "y"
        Operator.of(cluster).resume()
        deleted = api.delete_namespaced_custom_object(*DEVSERVERS, "a")
        assert deleted["metadata"]["finalizers"] == [FINALIZER]
        until_gone(cluster, "devservers", "a")
        with pytest.raises(kubernetes.client.ApiException) as missing:
            api.get_namespaced_custom_object(*DEVSERVERS, "a")
        assert missing.value.status == 404

    def test_pods_logs_and_exec(self, kubernetes: Any, cluster: FakeAPIServer) -> None:
        cluster.store.create("devservers", devserver("a"))
        name = until_pod(cluster, "a")["metadata"]["name"]
        core = kubernetes.client.CoreV1Api()
        assert [pod.metadata.name for pod in core.list_namespaced_pod("default").items] == [name]
        assert core.read_namespaced_pod_log(name, "default") == f"{name}: ready\n"
        said = kubernetes.stream.stream(
            core.connect_get_namespaced_pod_exec,
            name,
            "default",
            command=["echo", "hi"],
            stdout=True,
            stderr=True,
            stdin=False,
            tty=False,
        )
        assert said == "hi\n"

    def test_typed_deployments(self, kubernetes: Any, cluster: FakeAPIServer) -> None:
        cluster.store.create("devservers", devserver("a"))
        name = until_pod(cluster, "a")["metadata"]["name"]
        apps = kubernetes.client.AppsV1Api()
        template = apps.read_namespaced_deployment("a", "default").spec.template
        assert [container.name for container in template.spec.containers] == ["devserver"]
        replicasets = apps.list_namespaced_replica_set("default", label_selector="app=a").items
        assert [name.startswith(f"{each.metadata.name}-") for each in replicasets] == [True]

    def test_typed_objects_and_reviews(self, kubernetes: Any) -> None:
        client = kubernetes.client
        made = client.CoreV1Api().create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name="team")))
        assert made.status.phase == "Active"
        asked = client.V1ResourceAttributes(verb="get", resource="pods")
        spec = client.V1SelfSubjectAccessReviewSpec(resource_attributes=asked)
        review = client.V1SelfSubjectAccessReview(spec=spec)
        answer = client.AuthorizationV1Api().create_self_subject_access_review(review)
        assert answer.status.allowed is True

    def test_the_dynamic_client_finds_kinds_by_discovery(self, kubernetes: Any) -> None:
        dynamic = installed("kubernetes.dynamic")
        kind = dynamic.DynamicClient(kubernetes.client.ApiClient()).resources.get(
            api_version="devserver.io/v1", kind="DevServer"
        )
        kind.create(body=devserver("d"), namespace="default")
        assert [item.metadata.name for item in kind.get(namespace="default").items] == ["d"]


class TestKr8s:
    def test_crud_watch_logs_and_exec(self, cluster: FakeAPIServer) -> None:
        kr8s = installed("kr8s")
        objects = installed("kr8s.objects")
        api = kr8s.api(kubeconfig=str(cluster.kubeconfig))
        kind = objects.new_class(kind="DevServer", version="devserver.io/v1", namespaced=True, plural="devservers")
        server = kind(devserver("a"), api=api)
        server.create()
        until_phase(cluster, name="a")  # its own wait fails on an object that has no status yet
        server.wait("jsonpath='{.status.phase}'=Running", timeout=10)
        server.patch({"spec": {"image": "x"}})
        server.label({"team": "red"})
        found = list(kr8s.get("devservers.devserver.io", api=api, label_selector={"team": "red"}))
        assert [(item.name, item.spec.image) for item in found] == [("a", "x")]
        name = until_pod(cluster, "a", ready_with_image_x)["metadata"]["name"]
        pod = objects.Pod.get(name, api=api)
        assert pod.ready()
        assert pod.exec(["echo", "hi"]).stdout == b"hi\n"
        assert list(pod.logs()) == [f"{name}: ready"]
        kind_of_event, seen = next(iter(api.watch("pods", namespace="default")))
        assert kind_of_event == "ADDED"
        assert seen.name.startswith("a-")
        server.delete()
        until_gone(cluster, "devservers", "a")
        assert not server.exists()


class TestLightkube:
    def test_crud_watch_apply_and_logs(self, cluster: FakeAPIServer) -> None:
        lightkube = installed("lightkube")
        generic = installed("lightkube.generic_resource")
        core = installed("lightkube.resources.core_v1")
        kind = generic.create_namespaced_resource("devserver.io", "v1", "DevServer", "devservers")
        client = lightkube.Client(config=lightkube.KubeConfig.from_file(str(cluster.kubeconfig)))
        client.create(kind(devserver("a")), namespace="default")
        for _, obj in client.watch(kind, namespace="default"):
            if phase(obj) == "Running":
                break
        merge = lightkube.types.PatchType.MERGE
        patched = client.patch(kind, "a", {"spec": {"image": "x"}}, namespace="default", patch_type=merge)
        assert patched.spec["image"] == "x"
        body = devserver("b")
        body["metadata"]["namespace"] = "default"
        assert client.apply(kind(body), field_manager="me").spec["mode"] == "standalone"
        name = until_pod(cluster, "a", ready_with_image_x)["metadata"]["name"]
        assert name in [pod.metadata.name for pod in client.list(core.Pod, namespace="default")]
        assert list(client.log(name, namespace="default")) == [f"{name}: ready\n"]
        client.delete(kind, "a", namespace="default")
        until_gone(cluster, "devservers", "a")
        with pytest.raises(lightkube.ApiError) as missing:
            client.get(kind, "a", namespace="default")
        assert missing.value.status.reason == "NotFound"
