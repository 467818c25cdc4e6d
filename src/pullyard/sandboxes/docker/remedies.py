"""What to do where a container can't be brought up, in one sentence a person can act on."""

from pullyard.sandboxes.docker.engine import EngineRefused

NO_RUNTIME = "Install that runtime for the engine, or unset docker_runtime."
NO_SHELL = "The image must have a shell and the usual small programs."

# Words of the engines, and what helps.
REMEDIES = (
    ("unknown or invalid runtime name", NO_RUNTIME),
    ("unknown runtime", NO_RUNTIME),
    ("executable file not found", NO_SHELL),
    ("no such file or directory: unknown", NO_SHELL),
    ("exit code 127", NO_SHELL),
    (
        "container-init binary not found",
        "Install catatonit, which Podman needs ('apt-get install catatonit').",
    ),
    ("docker-init", "Install the engine's init program ('apt-get install tini' on Debian)."),
    ("exec format error", "Install emulation for that platform, or leave the project's platform open."),
    ("no space left", "Make room where the engine keeps its data: 'docker system df' shows what fills it."),
    ("mount", "Use a full copy where overlays can't be mounted: the data directory must lie on a real disk."),
    ("permission denied", "Give the worker's account the right to use the engine, or run it as root."),
    ("does not answer", "Start the engine, such as with 'systemctl start docker'."),
)


def lost(refused: EngineRefused) -> str:
    message = str(refused).rstrip(".")
    return (
        f"The container's engine was lost while it was needed: {message}. See that it runs, such as with "
        "'systemctl start docker'; what was under way is tried again."
    )


def explain(phase: str, image: str, refused: EngineRefused) -> str:
    message = str(refused).rstrip(".")
    lower = message.lower()
    remedy = next((helps for words, helps in REMEDIES if words in lower), "Look at the engine's own log.")
    return f"A container of {image} can't be brought up at the step '{phase}': {message}. {remedy}"
