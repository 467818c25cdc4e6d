"""The providers' own client libraries, as agents use them, through the gateway."""

import pytest

from tests.gateways import WAYS, gateway_by
from tests.model_server import ModelServer, Text, ToolUse

anthropic = pytest.importorskip("anthropic")
genai = pytest.importorskip("google.genai")
openai = pytest.importorskip("openai")

WAY = {way.name: way for way in WAYS}
SAYS = Text("Good morning.", input_tokens=1000, output_tokens=200)
CALLS = ToolUse("run", {"command": "ls"})
ASK = [{"role": "user", "content": "hi"}]
SCHEMA = {"type": "object", "properties": {"command": {"type": "string"}}}


async def test_openais_own_by_chat_completions() -> None:
    tools = [{"type": "function", "function": {"name": "run", "parameters": SCHEMA}}]
    async with ModelServer([SAYS, CALLS]) as server, gateway_by(WAY["chat"], server) as (gateway, _):
        async with openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{gateway.port}/v1", api_key="x") as client:
            assert (await client.models.list()).data
            # A client that did not ask for tokens takes the first choice of every event.
            said = [
                event.choices[0].delta
                async for event in await client.chat.completions.create(
                    model="gpt-4.1", messages=ASK, tools=tools, stream=True
                )
            ]
            assert "".join(delta.content or "" for delta in said) == "Good morning."
            whole = await client.chat.completions.create(model="gpt-4.1", messages=ASK, tools=tools)
            assert whole.choices[0].message.tool_calls[0].function.arguments == '{"command": "ls"}'
        assert gateway.ledger.usage.input_tokens == 1100


async def test_openais_own_by_responses() -> None:
    tools = [{"type": "function", "name": "run", "parameters": SCHEMA, "strict": False}]
    async with ModelServer([SAYS, CALLS]) as server, gateway_by(WAY["responses"], server) as (gateway, _):
        async with openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{gateway.port}/v1", api_key="x") as client:
            answers = []
            for _ in range(2):
                async with client.responses.stream(model="gpt-4.1", input="hi", tools=tools) as stream:
                    answers.append(await stream.get_final_response())
            assert answers[0].output_text == "Good morning."
            assert answers[1].output[0].arguments == '{"command": "ls"}'
        assert gateway.ledger.usage.input_tokens == 1100


async def test_geminis_own() -> None:
    async with ModelServer([SAYS, CALLS]) as server, gateway_by(WAY["gemini"], server) as (gateway, _):
        address = genai.types.HttpOptions(base_url=f"http://127.0.0.1:{gateway.port}")
        client = genai.Client(api_key="dummy", http_options=address).aio
        run = genai.types.FunctionDeclaration(name="run", parameters_json_schema=SCHEMA)
        config = genai.types.GenerateContentConfig(
            system_instruction="Be brief.", tools=[genai.types.Tool(function_declarations=[run])]
        )
        asked = {"model": "gemini-2.5-flash", "contents": "hi", "config": config}
        said = [piece.text async for piece in await client.models.generate_content_stream(**asked)]
        assert "".join(text or "" for text in said) == "Good morning."
        whole = await client.models.generate_content(**asked)
        assert whole.function_calls[0].args == {"command": "ls"}
        assert (await client.models.count_tokens(model="gemini-2.5-flash", contents="hi")).total_tokens == 7
        assert gateway.ledger.usage.input_tokens == 1100
        await client.aclose()


async def test_anthropics_own() -> None:
    async with ModelServer([SAYS, CALLS]) as server, gateway_by(WAY["anthropic"], server) as (gateway, _):
        address = f"http://127.0.0.1:{gateway.port}"
        async with anthropic.AsyncAnthropic(base_url=address, api_key="x") as client:
            asked = {"model": "claude-sonnet-4-6-script", "max_tokens": 100, "messages": ASK}
            async with client.messages.stream(**asked) as stream:
                assert "".join([text async for text in stream.text_stream]) == "Good morning."
            whole = await client.messages.create(**asked, tools=[{"name": "run", "input_schema": SCHEMA}])
            assert whole.content[0].input == {"command": "ls"}
        assert gateway.ledger.usage.input_tokens == 1100
