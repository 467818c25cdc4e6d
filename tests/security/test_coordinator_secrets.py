"""No credential of a repository reaches the coordinator's database."""

from tests.coordinator import RunningCoordinator


async def test_an_address_with_a_password_is_refused_and_not_repeated(
    coordinator: RunningCoordinator,
) -> None:
    wish = {"name": "x", "repository": "https://me:canary@host.invalid/x.git"}
    answer = await coordinator.http.post("/api/v1/projects", json=wish)
    assert answer.status_code == 422
    assert "holds a password" in answer.json()["detail"]
    assert "canary" not in answer.text
