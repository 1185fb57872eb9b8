# SPDX-License-Identifier: Apache-2.0
"""A control plane on this machine: etcd, API server, controllers and scheduler, with certificates, tokens and RBAC."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from tests.cluster.control_plane.adapter import Adapter
from tests.cluster.control_plane.api import Api
from tests.cluster.control_plane.network import HOST

NODE_GRACE_SECONDS: Final = 16  # a node that says nothing for so long is not ready; 40 by default
_TOKEN: Final = "of-the-administrator"  # noqa: S105 (of a server that lives for minutes on this machine)
_START_SECONDS: Final = 120.0
_SERVICES: Final = "10.96.0.0/16"

_KUBECONFIG: Final = """
apiVersion: v1
kind: Config
clusters: [{{name: test, cluster: {{server: "{url}", certificate-authority: "{authority}"}}}}]
users: [{{name: admin, user: {{token: {token}}}}}]
contexts: [{{name: test, context: {{cluster: test, user: admin}}}}]
current-context: test
"""


class ControlPlane:
    """The programs of one control plane.

    Args:
        programs: folder with the programs; see `build.programs`.
        folder: for certificates, data and logs.

    Attributes:
        api: the API server itself, for nodes.
        kubeconfig: of an administrator, for whoever speaks to today's API: through the adapter.
        address: (host, port) of the adapter.
    """

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._ports = {name: _free_port() for name in ("etcd", "peer", "api", "controllers", "scheduler")}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.authority, self.certificate, self.key = (folder / name for name in ("ca.crt", "server.crt", "server.key"))
        folder.mkdir(parents=True)
        _make_certificates(folder)
        (folder / "tokens.csv").write_text(f'{_TOKEN},admin,1,"system:masters"\n', encoding="utf-8")
        self.api = Api(f"https://127.0.0.1:{self._ports['api']}", self.authority, _TOKEN)
        self._adapter = Adapter(self.api.url, self.authority, self.certificate, self.key, HOST)
        self.address = (HOST, self._adapter.port)
        self.kubeconfig = self._write_kubeconfig("kubeconfig", f"https://{HOST}:{self._adapter.port}")

    @contextlib.contextmanager
    def running(self) -> Iterator["ControlPlane"]:
        """Starts everything, and ends it."""
        try:
            self._start_etcd()
            self.start_api_server()
            self._start_controllers()
            account = "/api/v1/namespaces/default/serviceaccounts/default"
            self._wait_for(lambda: self.api.get(account), "service account")
            with self._adapter.running():
                yield self
        finally:
            for process in reversed(self._processes.values()):
                process.kill()
                process.wait()

    def start_api_server(self) -> None:
        """Starts the API server, and waits until it is ready."""
        account = self._folder / "account"
        self._start(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self._ports['etcd']}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._ports['api']}",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            f"--service-cluster-ip-range={_SERVICES}",
            f"--tls-cert-file={self.certificate}",
            f"--tls-private-key-file={self.key}",
            f"--client-ca-file={self.authority}",
            f"--requestheader-client-ca-file={self.authority}",
            f"--token-auth-file={self._folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default",
            f"--service-account-key-file={account}.pub",
            f"--service-account-signing-key-file={account}.key",
            "--feature-gates=TTLAfterFinished=true",
        )
        self._wait_for(self.api.is_ready, "ready API server")

    def kill_api_server(self) -> None:
        """Ends the API server at once."""
        process = self._processes.pop("kube-apiserver")
        process.kill()
        process.wait()

    def check(self) -> None:
        """Asserts that all programs run."""
        for name, process in list(self._processes.items()):
            assert process.poll() is None, f"{name} ended with {process.returncode}:\n{self._log(name)[-3000:]}"

    def _start_etcd(self) -> None:
        url = f"http://127.0.0.1:{self._ports['etcd']}"
        peer = f"http://127.0.0.1:{self._ports['peer']}"
        self._start(
            "etcd",
            f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        )

    def _start_controllers(self) -> None:
        config = self._write_kubeconfig("direct.kubeconfig", self.api.url)
        who = [f"--{name}={config}" for name in ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")]
        common = [*who, "--leader-elect=false", "--bind-address=127.0.0.1", "--port=0"]
        self._start(
            "kube-controller-manager",
            *common,
            f"--secure-port={self._ports['controllers']}",
            f"--service-account-private-key-file={self._folder / 'account.key'}",
            f"--root-ca-file={self.authority}",
            "--use-service-account-credentials=true",
            "--node-monitor-period=2s",
            f"--node-monitor-grace-period={NODE_GRACE_SECONDS}s",
            "--feature-gates=TTLAfterFinished=true",
        )
        self._start("kube-scheduler", *common, f"--secure-port={self._ports['scheduler']}")

    def _start(self, name: str, *flags: str) -> None:
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [str(self._programs / name), *flags], stdout=log, stderr=log, start_new_session=True
            )

    def _wait_for(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not condition():
            self.check()
            log = self._log("kube-apiserver")
            assert time.monotonic() < deadline, f"the control plane has no {what}:\n{log[-3000:]}"
            time.sleep(0.2)

    def _log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def _write_kubeconfig(self, name: str, url: str) -> Path:
        path = self._folder / name
        path.write_text(_KUBECONFIG.format(url=url, authority=self.authority, token=_TOKEN), encoding="utf-8")
        return path


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _make_certificates(folder: Path) -> None:
    """A certificate authority, one certificate for all servers, and the key that signs accounts' tokens."""
    names = f"subjectAltName=IP:127.0.0.1,IP:{HOST},DNS:localhost,DNS:kubernetes.default.svc"
    (folder / "names").write_text(names, encoding="utf-8")
    for command in (
        "genrsa -out account.key 2048",
        "rsa -in account.key -pubout -out account.pub",
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=minigo-test",
        "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=kube-apiserver",
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out server.crt -extfile names",
    ):
        subprocess.run(["openssl", *command.split()], cwd=folder, capture_output=True, check=True)  # noqa: S607
