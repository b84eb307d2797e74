"""What provisioning a node asks of the Management Node: its version, a new node, one moved, and one deleted."""

import secrets
from collections.abc import Mapping

import msgspec

from headroom.adapters.pexip.answers import ManagementVm, WorkerConfiguration
from headroom.adapters.pexip.asking import ManagementNode
from headroom.adapters.pexip.errors import PexipAnswerError
from headroom.domain.planning.promises import BadRequestError
from headroom.domain.texts import listed


class _Manager(msgspec.Struct):
    domain: str = ""


class _Place(msgspec.Struct):
    name: str
    resource_uri: str


class _Node(WorkerConfiguration):
    domain: str = ""


class ProvisioningNode(ManagementNode):
    """The Management Node, where nodes may be made, moved and deleted: the optional stack alone asks this."""

    def version(self) -> str:
        """Return the Management Node's version, as 37 (80989.0.0)."""
        self._begin()
        found = self._every("status/v1/management_vm", ManagementVm)
        version = next((each.version for each in found if each.version), None)
        if version is None:
            raise PexipAnswerError("Pexip does not say which version it has.")
        return version

    def location(self, name: str) -> str:
        """Return the address of a system location; raise BadRequestError that names those there are."""
        self._begin()
        found = {each.name: each.resource_uri for each in self._every("configuration/v1/system_location", _Place)}
        if name not in found:
            raise BadRequestError(
                f"There is no system location {listed([name])}; there are {listed(sorted(found)) or 'none'}."
            )
        return found[name]

    def nodes(self) -> list[_Node]:
        """Return the configurations of all nodes."""
        self._begin()
        return self._every("configuration/v1/worker_vm", _Node)

    def domain(self) -> str:
        """Return the Management Node's DNS domain; empty where it is not told."""
        self._begin()
        return next((each.domain for each in self._every("configuration/v1/management_vm", _Manager)), "")

    def create(self, settings: Mapping[str, object]) -> bytes:
        """Create a node as a configuration-only deployment, and return its XML, which Pexip tells once.

        Its password is made here and kept nowhere: nodes are reached with the instance's key pair.
        """
        self._begin()
        own = {"deployment_type": "MANUAL-PROVISION-ONLY", "password": secrets.token_urlsafe(24)}
        xml = self._request("POST", "configuration/v1/worker_vm", json={**settings, **own}).body
        if not xml.strip().startswith(b"<"):
            raise PexipAnswerError(
                "Pexip created the node and did not answer with its XML: it is deleted and tried again."
            )
        return xml

    def delete(self, node: WorkerConfiguration) -> None:
        """Delete a node."""
        self._begin()
        self._request("DELETE", f"configuration/v1/worker_vm/{node.id}")

    def change(self, node: WorkerConfiguration, **changes: object) -> None:
        """Change a node's configuration."""
        self._begin()
        self._request("PATCH", f"configuration/v1/worker_vm/{node.id}", json=changes)
