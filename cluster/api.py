# SPDX-License-Identifier: Apache-2.0
"""The API server of a cluster through the official client, with errors that say what a person can do.

Objects are plain dictionaries, as the manifests have them. Start at `connect`.
"""

import json
from pathlib import Path
from typing import Any, Final

import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

Object = dict[str, Any]

FIELD_MANAGER: Final = "minigo"
TIMEOUT_SECONDS: Final = (5.0, 30.0)  # to connect, and between two bytes of a reply
_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"
_PATHS: Final = {
    "Namespace": "/api/v1/namespaces",
    "PriorityClass": "/apis/scheduling.k8s.io/v1/priorityclasses",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Service": "/api/v1/namespaces/{}/services",
    "Pod": "/api/v1/namespaces/{}/pods",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "CronJob": "/apis/batch/v1/namespaces/{}/cronjobs",
}


class ClusterError(Exception):
    """The API server refused, or is out of reach. The message says which and what to do; `status` is HTTP's, or 0."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


def connect(context: str | None = None) -> "Cluster":
    """The cluster that a kubeconfig's context names, or the one that this pod runs in.

    Args:
        context: of the kubeconfig; None: its current one, or inside a pod the pod's own cluster.

    Raises:
        ClusterError: there is neither, or the kubeconfig is none.
    """
    configuration = client.Configuration()
    inside: Any = config.load_incluster_config  # neither has types
    outside: Any = config.load_kube_config
    try:
        if context is None and (_ACCOUNT / "token").exists():
            inside(client_configuration=configuration)
        else:
            outside(context=context, client_configuration=configuration)
    except (ConfigException, OSError) as error:
        raise ClusterError(
            f"there is no cluster to talk to: {_one_line(error)}; "
            "gcloud container clusters get-credentials NAME, or set KUBECONFIG"
        ) from None
    except (yaml.YAMLError, TypeError, AttributeError, LookupError, ValueError) as error:  # it checks no types
        raise ClusterError(
            f"cannot read the kubeconfig ($KUBECONFIG, or ~/.kube/config): {_one_line(error)}; "
            "gcloud container clusters get-credentials NAME writes one"
        ) from None
    configuration.retries = False  # whoever calls decides what is tried again
    return Cluster(client.ApiClient(configuration))


def own_namespace(default: str = "minigo") -> str:
    """The namespace of the pod that this runs in; outside a pod, the default."""
    try:
        return (_ACCOUNT / "namespace").read_text(encoding="utf-8").strip()
    except OSError:
        return default


class Cluster:
    """One API server. Every method raises ClusterError."""

    def __init__(self, api: client.ApiClient) -> None:
        self._api = api
        self.url = str(api.configuration.host)

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """One object, or None where there is none."""
        try:
            return self._json("GET", f"{_path(kind, namespace)}/{name}")
        except ClusterError as error:
            if error.status == 404:
                return None
            raise

    def list(self, kind: str, namespace: str, labels: str = "") -> list[Object]:
        """All objects of a kind that have these labels, as a label selector."""
        items: list[Object] = self._json("GET", _path(kind, namespace), {"labelSelector": labels})["items"]
        return items

    def create(self, item: Object) -> bool:
        """Creates an object; False if there is one of this name."""
        try:
            self._json("POST", _path_of(item), body=item)
        except ClusterError as error:
            if error.status == 409:
                return False
            raise
        return True

    def apply(self, item: Object, *, dry_run: bool = False) -> Object:
        """Makes an object what the manifest says, and leaves what it does not mention; returns it.

        Args:
            item: the manifest.
            dry_run: the server checks everything and changes nothing.
        """
        query = {"fieldManager": FIELD_MANAGER, "force": "true", **({"dryRun": "All"} if dry_run else {})}
        return self._json("PATCH", f"{_path_of(item)}/{_name(item)}", query, item, _APPLY)

    def delete(self, kind: str, namespace: str, name: str) -> bool:
        """Deletes an object and what it owns; False if there is none."""
        try:
            self._json("DELETE", f"{_path(kind, namespace)}/{name}", {"propagationPolicy": "Background"})
        except ClusterError as error:
            if error.status == 404:
                return False
            raise
        return True

    def scale(self, namespace: str, deployment: str, replicas: int) -> None:
        """Sets how many pods a Deployment has."""
        path = f"{_path('Deployment', namespace)}/{deployment}/scale"
        self._json("PATCH", path, body={"spec": {"replicas": replicas}}, content=_MERGE)

    def logs(self, namespace: str, pod: str, lines: int) -> str:
        """The last lines of a pod's log."""
        path = f"{_path('Pod', namespace)}/{pod}/log"
        return self._request("GET", path, {"tailLines": str(lines)}).decode(errors="replace")

    def may(self, namespace: str, verb: str, group: str, resource: str) -> bool:
        """Whether whoever asks may do this in a namespace."""
        wanted = {"namespace": namespace, "verb": verb, "group": group, "resource": resource}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": wanted},
        }
        answer = self._json("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=review)
        return bool(answer["status"]["allowed"])

    def _json(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: Object | None = None,
        content: str = "application/json",
    ) -> Object:
        data = self._request(method, path, query, body, content)
        try:
            answer = json.loads(data)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise ClusterError(
                f"{self.url} answers {method} {path} with something that is no object of Kubernetes; "
                "is this the right context? kubectl config current-context"
            )
        return answer

    def _request(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: Object | None = None,
        content: str = "application/json",
    ) -> bytes:
        headers = {"Accept": "application/json", "Content-Type": content}
        asked = self._api.param_serialize(
            method,
            path,
            query_params=[(name, value) for name, value in (query if query is not None else {}).items() if value],
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            response: Any = self._api.call_api(*asked, _request_timeout=TIMEOUT_SECONDS)
            data = bytes(response.read())
        except ApiException as error:
            raise self._refusal(int(error.status), error.body, method, path) from None
        except (HTTPError, OSError) as error:
            raise ClusterError(
                f"cannot reach the API server {self.url}: {_one_line(error)}; "
                "is the cluster up, and is this the right context? kubectl config current-context"
            ) from None
        if not 200 <= response.status <= 299:
            raise self._refusal(response.status, data, method, path)
        return data

    def _refusal(self, status: int, body: Any, method: str, path: str) -> ClusterError:
        try:
            reason = json.loads(body)["message"]
        except (ValueError, KeyError, TypeError):
            reason = f"{method} {path}"
        advice = {
            401: "; credentials have expired: gcloud auth login, then gcloud container clusters get-credentials NAME",
            403: "; ask for the role that this needs: kubectl auth can-i --list",
        }.get(status, "")
        return ClusterError(f"{self.url} answers {status}: {' '.join(str(reason).split())}{advice}", status)


def check_kind(item: Object) -> None:
    """Raises ClusterError unless objects of this kind can be applied."""
    if item["kind"] not in _PATHS:
        known = ", ".join(_PATHS)
        raise ClusterError(f"{item['kind']} {_name(item)}: not one of {known}; kubectl apply -k takes all kinds")


def _path(kind: str, namespace: str) -> str:
    return _PATHS[kind].format(namespace)


def _path_of(item: Object) -> str:
    return _path(item["kind"], item["metadata"].get("namespace", ""))


def _name(item: Object) -> str:
    return str(item["metadata"]["name"])


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
