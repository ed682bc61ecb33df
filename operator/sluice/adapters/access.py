"""How to reach the API server: address, certificates and tokens, as `kubernetes.aio` loads them."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING, Any, Final

import aiohttp

if TYPE_CHECKING:
    from aiohttp import ClientHandlerType
    from aiohttp.client_middlewares import ClientMiddlewareType

IN_CLUSTER_VARIABLE: Final = "KUBERNETES_SERVICE_HOST"
CONNECTIONS: Final = 32


class Access:
    """The API server's address, and sessions that speak to it with the newest token."""

    def __init__(self, configuration: Any) -> None:
        self._configuration = configuration

    @property
    def server(self) -> str:
        """Scheme, host and port."""
        return str(self._configuration.host).rstrip("/")

    def session(
        self, timeout: aiohttp.ClientTimeout, *middlewares: ClientMiddlewareType
    ) -> aiohttp.ClientSession:
        """A new session; it belongs to the running loop, and to the caller to close."""
        config = self._configuration
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._ssl_context(), limit=CONNECTIONS),
            timeout=timeout,
            middlewares=(*middlewares, self._authorise),
            proxy=config.proxy or None,
            trust_env=False,
        )

    async def _authorise(
        self, request: aiohttp.ClientRequest, handler: ClientHandlerType
    ) -> aiohttp.ClientResponse:
        # Asked before every request: the configuration re-reads a rotated token from its file.
        token = await self._configuration.get_api_key_with_prefix("BearerToken")
        if token:
            request.headers["Authorization"] = token.strip()
        return await handler(request)

    def _ssl_context(self) -> ssl.SSLContext:
        config = self._configuration
        context = ssl.create_default_context(
            cafile=config.ssl_ca_cert, cadata=getattr(config, "ca_cert_data", None)
        )
        # Python 3.13 refuses CA certificates without an Authority Key Identifier; client-go
        # accepts them, and clusters with such a CA exist.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if config.cert_file:
            context.load_cert_chain(config.cert_file, keyfile=config.key_file)
        if not config.verify_ssl:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


class NoAccess(ConnectionError):
    """There is neither a pod's service account nor a usable kubeconfig."""


async def load(context: str | None = None) -> Access:
    """Access from the pod's service account, or from a kubeconfig where a context is given.

    Outside a cluster and without a context the kubeconfig's current context is taken. Raises
    NoAccess.
    """
    # Here and not on top: half a second of imports that tests and `--help` do without.
    from kubernetes.aio import config as loaders  # noqa: PLC0415
    from kubernetes.aio.client.configuration import Configuration  # noqa: PLC0415

    config: Any = loaders  # untyped
    configuration = Configuration()
    try:
        if context is None and os.environ.get(IN_CLUSTER_VARIABLE):
            config.load_incluster_config(client_configuration=configuration)
        else:
            await config.load_kube_config(context=context, client_configuration=configuration)
    except config.ConfigException as error:
        raise NoAccess(f"no access to a Kubernetes API: {error}") from error
    return Access(configuration)
