"""The package registries that a project's sandboxes may reach unless it says otherwise.

They are the hosts that the package managers use by themselves, with TLS on port 443. What a package manager
adds from elsewhere, such as a binary from a release page, is the project's to allow.

No host is here that is only for publishing or for accounts, such as ``crates.io``: cargo fetches from
the other two. Some serve both under one name, and a tunnel can't tell; docs/reference/network.md names those.
"""

from collections.abc import Mapping, Sequence

PORT = 443
REGISTRIES: Mapping[str, Sequence[str]] = {
    "Python": ("pypi.org", "files.pythonhosted.org"),
    "JavaScript": ("registry.npmjs.org", "registry.yarnpkg.com", "repo.yarnpkg.com"),
    "Rust": ("index.crates.io", "static.crates.io", "static.rust-lang.org"),
    "Go": ("proxy.golang.org", "sum.golang.org"),
    "Java": ("repo.maven.apache.org", "repo1.maven.org", "plugins.gradle.org", "services.gradle.org"),
    "Ruby": ("rubygems.org", "index.rubygems.org"),
    "PHP": ("repo.packagist.org",),
    ".NET": ("api.nuget.org",),
    "Elixir": ("repo.hex.pm", "builds.hex.pm"),
    "Dart": ("pub.dev",),
    "Debian": ("deb.debian.org",),
    "Alpine": ("dl-cdn.alpinelinux.org",),
}
REGISTRY_HOSTS = frozenset(host for hosts in REGISTRIES.values() for host in hosts)
