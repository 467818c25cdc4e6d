"""The engine that the tests of containers run against."""

from tests.docker_engine import DockerEngine


def test_its_image_has_a_shell_git_and_python(docker_engine: DockerEngine) -> None:
    script = "git --version && python3 -c 'import json, ssl, urllib.request' && echo whole"
    config = {"Image": docker_engine.image, "Cmd": ["sh", "-c", script], "NetworkDisabled": True}
    made = docker_engine.call("POST", "/containers/create", json=config)["Id"]
    docker_engine.call("POST", f"/containers/{made}/start")
    ended = docker_engine.call("POST", f"/containers/{made}/wait")
    said = docker_engine.call("GET", f"/containers/{made}/logs", params={"stdout": 1, "stderr": 1})
    docker_engine.call("DELETE", f"/containers/{made}")
    assert ended["StatusCode"] == 0, said
    assert "whole" in said
