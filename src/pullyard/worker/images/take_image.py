"""The step of an execution that brings its image: chosen, on the engine, and written down for all phases."""

from pullyard.lifecycle.execution import Phase
from pullyard.sandboxes.docker.sandbox import DockerSandbox
from pullyard.sandboxes.protocol import WORKSPACE
from pullyard.worker.context import Context, TakenImage
from pullyard.worker.images.choose import BaseTree, ChoiceRules, choose_image
from pullyard.worker.sandbox_choice import REUSED


async def take_image(context: Context) -> None:
    """After the base commit is known and before any sandbox. Nothing is done for backends without images.

    Raises PhaseFailed with the reason that there is none, PolicyRefused where the owner does not allow it.
    """
    tools, log, wish = context.tools, context.log(Phase.PREPARE), context.grant.isolation.sandbox
    if context.probe.name != DockerSandbox.name or tools.images is None:
        warn_of_missing(context)
        return
    base_commit = context.record.base_commit
    assert base_commit is not None
    base = BaseTree(tools.git, context.main.mirror.path, base_commit)
    images = {str(kind): image for kind, image in tools.settings.images.items()}
    rules = ChoiceRules(images, tools.settings.image_registries)
    choice = await choose_image(base, wish.image, rules, WORKSPACE)
    for name in choice.build.recipe.images if choice.build else [choice.name or ""]:
        context.permit.check_image(name)
    log.line(f"Image {choice.name or 'to be built'}, by {choice.source}.")
    for warning in choice.warnings:
        log.line(f"Warning: {warning}")
    image_id = await tools.images.provide(choice, wish.platform, log.append)
    context.image = TakenImage(image_id, choice.environment, [list(words) for words in choice.setup])
    context.facts["image"] = {"id": image_id, "name": choice.name, "source": choice.source}


def warn_of_missing(context: Context) -> None:
    """What the project wishes and this backend has not."""
    log, wish, name = context.log(Phase.PREPARE), context.grant.isolation.sandbox, context.probe.name
    if wish.image is not None:
        log.line(f"Warning: the project's image is not used, since {name} has no images.")
    if wish.environment == REUSED:
        log.line(f"Warning: {name} has no reused environments, so this one is fresh.")
