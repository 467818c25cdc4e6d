"""What an agent asks a person: it ends, the step waits without a time limit, and another instance goes on.

The question and what the agent needs to go on are on disk first, so a worker that is restarted meanwhile asks
the same question again and finds its answer.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from pullyard.agents.protocol import Question
from pullyard.lifecycle.reasons import Reason
from pullyard.lifecycle.tool_routing import TOOLS, Verdict
from pullyard.lifecycle.workflows import CHOICES, Node
from pullyard.protocol.versions import WORKFLOW_VERSION
from pullyard.protocol.worker import Answer, AskRequest, NodeFact, TaskBrief
from pullyard.worker.base_files import read_file
from pullyard.worker.context import Context
from pullyard.worker.failures import PhaseFailed
from pullyard.worker.walk import APPROVAL_SECONDS, ASKING

PROJECT_FILES = ("AGENTS.md", "CLAUDE.md")
PROJECT_FILE_BYTES = 64 << 10
QUESTIONS = "questions"
"""In the facts of a node that runs an agent: what was asked, with the answers."""
MOST_QUESTIONS = 20
QUESTION_CHARACTERS = 1900
CHOICE_CHARACTERS = 200


class AgentQuestions:
    """Of one attempt at one node."""

    def __init__(self, context: Context, node: Node) -> None:
        self._context = context
        self._node = node
        self._fact = context.record.nodes[-1]
        self._session = context.directory / f"session-{self._fact.place}"

    async def brief(self, brief: TaskBrief) -> TaskBrief:
        """With what an agent whose tools are ours heeds, and with what it goes on from."""
        context = self._context
        tools = {name: context.permit.tool(name).verdict for name in TOOLS}
        if context.tools.client.protocol_version < WORKFLOW_VERSION:
            # This coordinator can't ask a person.
            tools |= {name: Verdict.DENY for name, verdict in tools.items() if verdict is Verdict.ASK}
            tools["ask_person"] = Verdict.DENY
        asked = [
            one
            for fact in context.record.nodes
            for one in answered_in(fact)
            # Whether a command might run is nothing to be told the next agent.
            if fact is self._fact or one.answer not in CHOICES
        ]
        return msgspec.structs.replace(
            brief,
            answers=[*brief.answers, *asked],
            session=self._session.read_text() if self._session.exists() else "",
            tools=tools,
            command_rules=context.permit.command_texts,
            project_files=await project_files(context),
        )

    def keep(self, question: Question) -> None:
        """Raises PhaseFailed for an agent that asks without end."""
        asked = self._fact.facts.setdefault(QUESTIONS, [])
        if len(asked) >= MOST_QUESTIONS:
            raise PhaseFailed(Reason.AGENT_FAILED, f"The agent asked more than {MOST_QUESTIONS} questions.")
        self._session.write_text(question.session)
        masked = self._context.tools.masker.text
        asked.append(
            {
                "question": printable(masked(question.text))[:QUESTION_CHARACTERS] or "The agent asks you.",
                "choices": [printable(masked(one))[:CHOICE_CHARACTERS] for one in question.choices],
                "free": question.free,
            }
        )
        self._fact.facts[ASKING] = True
        self._context.journal.save()

    async def wait(self) -> None:
        """Until what was asked is answered; at once where nothing is.

        The step's own time stands still meanwhile. Raises PhaseFailed where nobody answers.
        """
        if ASKING not in self._fact.facts:
            return
        context, asked = self._context, self._fact.facts[QUESTIONS]
        log = context.log(self._node.phase)
        log.line(f"The agent asks a person: {asked[-1]['question']}")
        try:
            with context.deadline.held():
                async with asyncio.timeout(APPROVAL_SECONDS):
                    answer = await context.answers.wait(self._request(asked[-1], len(asked)))
        except TimeoutError:
            message = f"Nobody answered what the agent asked in the step '{self._node.name}'."
            raise PhaseFailed(Reason.UNANSWERED, message) from None
        log.line(f"The answer is: {answer}")
        asked[-1]["answer"] = answer
        del self._fact.facts[ASKING]
        context.journal.save()

    def _request(self, asked: Mapping[str, Any], number: int) -> AskRequest:
        return AskRequest(
            fence=self._context.grant.fence,
            question_id=f"{self._node.name[:60]}-{self._fact.attempt}-agent-{number}",
            node=self._node.name,
            question=asked["question"],
            choices=asked["choices"],
            text=asked["free"],
            receipt=self._context.record.receipt,
        )


def answered_in(fact: NodeFact) -> list[Answer]:
    return [
        Answer(question=one["question"], answer=one["answer"])
        for one in fact.facts.get(QUESTIONS, [])
        if "answer" in one
    ]


async def project_files(context: Context) -> dict[str, str]:
    """What the base branch tells agents; what an earlier agent wrote there does not count."""
    copy, found = context.main, dict[str, str]()
    commit = copy.record.base_commit
    if commit is None:
        return found
    for name in PROJECT_FILES:
        content = await read_file(context.tools.git, copy.mirror.path, commit, name, PROJECT_FILE_BYTES)
        text = (content or b"").decode(errors="replace").strip()
        # One often only names the other, by a link or an import.
        if text and text.lstrip("@./") not in PROJECT_FILES and text not in found.values():
            found[name] = text
    return found


def printable(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable() or letter == "\n").strip()
