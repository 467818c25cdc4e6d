"""What the programs that install an agent are told of this machine: nothing that is not named here."""

import os
from collections.abc import Mapping

_PLAIN = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH"}
    | {"XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"}
)
_NETWORK = frozenset(
    {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}
    | {"ssl_cert_file", "ssl_cert_dir", "requests_ca_bundle", "curl_ca_bundle", "node_extra_ca_certs"}
    | {"npm_token", "node_auth_token", "netrc"}
)
"""In small letters, as some of them are written in either way. ``.npmrc`` is wont to name the tokens."""
_CLIENTS = ("npm_config_", "pip_", "uv_", "lc_")


def plain(own: Mapping[str, str] = os.environ) -> dict[str, str]:
    """For programs of this machine that reach no network."""
    return {name: value for name, value in own.items() if name in _PLAIN or name.startswith("LC_")}


def for_client(own: Mapping[str, str] = os.environ) -> dict[str, str]:
    """For a registry's client, with its owner's settings of registries, proxies and authorities."""
    network = {
        name: value
        for name, value in own.items()
        if name.lower() in _NETWORK or name.lower().startswith(_CLIENTS)
    }
    return {
        **plain(own),
        **network,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "NO_COLOR": "1",
        "npm_config_update_notifier": "false",
    }
