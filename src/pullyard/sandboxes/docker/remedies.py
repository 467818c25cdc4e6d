"""What to do where a container can't be brought up, in one sentence a person can act on."""

from pullyard.sandboxes.docker.engine import EngineRefused

# Words of the engines, and what helps.
REMEDIES = (
    ("unknown or invalid runtime name", "Install that runtime for the engine, or unset docker_runtime."),
    ("executable file not found", "The image must have a shell and the usual small programs."),
    ("no such file or directory: unknown", "The image must have a shell and the usual small programs."),
    ("exec format error", "Install emulation for that platform, or leave the project's platform open."),
    ("no space left", "Make room where the engine keeps its data: 'docker system df' shows what fills it."),
    ("mount", "Use a full copy where overlays can't be mounted: the data directory must lie on a real disk."),
    ("permission denied", "Give the worker's account the right to use the engine, or run it as root."),
    ("does not answer", "Start the engine, such as with 'systemctl start docker'."),
)


def explain(phase: str, image: str, refused: EngineRefused) -> str:
    message = str(refused).rstrip(".")
    lower = message.lower()
    remedy = next((helps for words, helps in REMEDIES if words in lower), "Look at the engine's own log.")
    return f"A container of {image} can't be brought up at the step '{phase}': {message}. {remedy}"
