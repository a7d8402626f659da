"""OpenAI's SDK for Python."""
import asyncio
import json

import house
import openai
import pydantic
from house import completer, question, refused, said, talker, works


class Answer(pydantic.BaseModel):
    answer: str


tool = {"type": "function", "function": house.weather}
strict = {"type": "function", "function": {**house.weather, "strict": True, "parameters": {**house.weather["parameters"], "additionalProperties": False}}}
function_tool = {"type": "function", "strict": False, **house.weather}
client = openai.OpenAI(base_url=house.url + "/v1", api_key="local", max_retries=0)
chat = client.chat.completions

for model in talker, completer:
    with works("text"):
        whole = chat.create(model=model, messages=question)
        assert whole.choices[0].message.content == said, whole
        assert whole.choices[0].finish_reason == "stop", whole
        assert whole.usage.completion_tokens == house.tokens, whole.usage

    with works("text, streamed"):
        pieces = [p.choices[0].delta.content for p in chat.create(model=model, messages=question, stream=True) if p.choices and p.choices[0].delta.content]
        assert "".join(pieces) == said and len(pieces) > 3, pieces
        with chat.stream(model=model, messages=question, stream_options={"include_usage": True}) as stream:
            final = stream.get_final_completion()
        assert final.choices[0].message.content == said, final
        assert final.usage.completion_tokens == house.tokens, final.usage
        with chat.with_streaming_response.create(model=model, messages=question, stream=True) as response:
            lines = [line for line in response.iter_lines() if line]
        assert lines[-1] == "data: [DONE]" and len(lines) > 5, lines

    with works("tools and their results"):
        asked = [{"role": "user", "content": "Is it warm in Oslo?"}]
        message = chat.create(model=model, messages=asked, tools=[tool]).choices[0].message
        (call,) = message.tool_calls
        assert call.function.name == "weather" and json.loads(call.function.arguments) == {"city": "Oslo"}, call
        answered = asked + [message, {"role": "tool", "tool_call_id": call.id, "content": "12 degrees"}]
        assert chat.create(model=model, messages=answered, tools=[tool]).choices[0].message.content == said

    with works("tools, streamed"):
        with chat.stream(model=model, messages=question, tools=[strict]) as stream:
            (call,) = stream.get_final_completion().choices[0].message.tool_calls
        assert call.function.parsed_arguments == {"city": "Oslo"}, call

    with works("JSON mode"):
        assert chat.parse(model=model, messages=question, response_format=Answer).choices[0].message.parsed == Answer(answer="blue")

    with works("price in neurons"):
        raw = chat.with_raw_response.create(model=model, messages=question)
        assert float(raw.headers["cf-ai-neurons"]) == raw.parse().usage.neurons > 0

    with works("responses"):
        whole = client.responses.create(model=model, input="What colour is the sky?", instructions="Be short.")
        assert whole.output_text == said and whole.usage.output_tokens == house.tokens, whole
        assert client.responses.parse(model=model, input=question, text_format=Answer).output_parsed == Answer(answer="blue")
        called = client.responses.create(model=model, input=question, tools=[function_tool])
        (call,) = (item for item in called.output if item.type == "function_call")
        assert json.loads(call.arguments) == {"city": "Oslo"}, call
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "12 degrees"}
        assert client.responses.create(model=model, input=[*question, *called.output, result], tools=[function_tool]).output_text == said

    with works("responses, streamed"):
        events = list(client.responses.create(model=model, input=question, stream=True))
        assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == said, events
        with client.responses.stream(model=model, input=question) as stream:
            assert stream.get_final_response().output_text == said

with works("text from a prompt"):
    assert client.completions.create(model=talker, prompt="The colour of the sky:").choices[0].text == said
    pieces = client.completions.create(model=talker, prompt="The colour of the sky:", stream=True)
    assert "".join(p.choices[0].text for p in pieces if p.choices) == said

with works("thoughts apart from the answer"):
    message = chat.create(model=house.thinker, messages=question).choices[0].message
    assert (message.reasoning_content, message.content) == ("Let me see.", "It is blue."), message

with works("pictures in messages"):
    content = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{house.picture}"}}]
    assert chat.create(model=house.eyes, messages=[{"role": "user", "content": content}]).choices[0].message.content == house.seen

with works("embeddings"):
    encoded = client.embeddings.create(model=house.encoder, input=house.texts)
    plain = client.embeddings.create(model=house.encoder, input=house.texts, encoding_format="float")
    house.near([d.embedding for d in encoded.data])
    assert all(abs(x - y) < 1e-6 for a, b in zip(encoded.data, plain.data) for x, y in zip(a.embedding, b.embedding))

with works("list of models"):
    ids = [m.id for m in client.models.list()]
    assert talker in ids and house.encoder in ids, ids

with works("errors with code and words"):
    with refused(openai.BadRequestError, "No such model no-such-model"):
        chat.create(model="no-such-model", messages=question)
    with refused(openai.BadRequestError, "temperature"):
        chat.create(model=talker, messages=question, temperature=9)
    with refused(openai.BadRequestError, "no-such-model"):
        client.embeddings.create(model="no-such-model", input="x")


async def at_once():
    """Many calls at once, whole and as streams, through the client for asyncio."""
    async with openai.AsyncOpenAI(base_url=house.url + "/v1", api_key="local", max_retries=0) as client:

        async def whole():
            return (await client.chat.completions.create(model=talker, messages=question)).choices[0].message.content

        async def streamed():
            pieces = await client.chat.completions.create(model=completer, messages=question, stream=True)
            return "".join([p.choices[0].delta.content or "" async for p in pieces if p.choices])

        return await asyncio.gather(*(whole() for _ in range(6)), *(streamed() for _ in range(6)))


with works("text"):
    answers = asyncio.run(at_once())
    assert answers == [said] * 12, answers

with works("broken streams are errors"):
    with refused(openai.APIError, "in the middle of its reply"):
        list(chat.create(model=house.fragile, messages=question, stream=True))
    assert chat.create(model=house.fragile, messages=question).choices[0].message.content == house.whole

with works("limits in neurons"):
    with refused(openai.RateLimitError, house.spent):
        client.with_options(base_url=house.spent_url + "/v1").chat.completions.create(model=talker, messages=question)
house.report("openai")
