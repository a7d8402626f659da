"""Models through Cloudflare's SDK for Python."""
import asyncio
import base64
import json

import cloudflare
import house
import httpx
from house import completer, question, refused, said, talker, works

account = "local"
settings = {"base_url": house.url + "/client/v4", "api_token": "local", "max_retries": 0}
cf = cloudflare.Cloudflare(**settings)


def plain(result):
    """A result as lists and dictionaries, whatever the SDK took it for."""
    if isinstance(result, list):
        return [plain(item) for item in result]
    return result.model_dump(exclude_unset=True) if hasattr(result, "model_dump") else result


def run(model, **given):
    # What this version has no argument for goes through extra_body.
    return plain(cf.ai.run(model, account_id=account, **given))


def streamed(model, **given):
    with cf.ai.with_streaming_response.run(model, account_id=account, extra_body={"stream": True}, **given) as response:
        return [line.removeprefix("data: ") for line in response.iter_lines() if line]


with works("text"):
    native = run(talker, messages=question)
    assert native["response"] == said and native["usage"]["completion_tokens"] == house.tokens, native
    assert run(completer, messages=question)["choices"][0]["message"]["content"] == said

with works("text from a prompt"):
    assert run(talker, prompt="The colour of the sky:", max_tokens=3)["response"] == "The sky is"

with works("text, streamed"):
    frames = streamed(talker, messages=question)
    assert frames[-1] == "[DONE]", frames
    assert "".join(json.loads(f)["response"] for f in frames[:-1]) == said, frames
    chunks = [json.loads(f) for f in streamed(completer, messages=question)[:-1]]
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c.get("choices")) == said, chunks

with works("tools and their results"):
    asked = [{"role": "user", "content": "Is it warm in Oslo?"}]
    called = run(talker, messages=asked, tools=[house.weather])
    (call,) = called["tool_calls"]
    assert (call["name"], call["arguments"]) == ("weather", {"city": "Oslo"}), call
    answered = [*asked, {"role": "assistant", "content": "", "tool_calls": called["tool_calls"]}, {"role": "tool", "name": "weather", "content": "12 degrees"}]
    assert run(talker, messages=answered, tools=[house.weather])["response"] == said

with works("tools, streamed"):
    frames = [json.loads(f) for f in streamed(talker, messages=question, tools=[house.weather])[:-1]]
    (call,) = (call for f in frames for call in f.get("tool_calls") or [])
    assert (call["name"], call["arguments"]) == ("weather", {"city": "Oslo"}), call

with works("JSON mode"):
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
    assert run(talker, messages=question, response_format={"type": "json_schema", "json_schema": schema})["response"] == {"answer": "blue"}

with works("thoughts apart from the answer"):
    message = run(house.thinker, messages=question)["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("Let me see.", "It is blue."), message

with works("pictures in messages"):
    content = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{house.picture}"}}]
    assert run(house.eyes, messages=[{"role": "user", "content": content}])["response"] == house.seen

with works("embeddings"):
    embedded = run(house.encoder, text=house.texts)
    assert embedded["shape"] == [3, 384], embedded["shape"]
    house.near(embedded["data"])

with works("reranking"):
    ranked = run(house.ranker, extra_body={"query": house.query, "contexts": [{"text": t} for t in house.contexts], "top_k": 2})
    assert [r["id"] for r in ranked["response"]] == [1, 2], ranked

with works("text classification"):
    labels = run(house.judge, text="It broke on the first day.")
    assert labels == [{"label": "NEGATIVE", "score": 0.75}, {"label": "POSITIVE", "score": 0.25}], labels

with works("summarization"):
    assert run(house.summarizer, input_text="On clear days light is scattered by air, the blue most of all.") == {"summary": said.strip()}

with works("translation"):
    assert run(house.translator, text="Der Himmel ist blau.", source_lang="german", target_lang="english") == {"translated_text": said.strip()}

picture = list(base64.b64decode(house.picture))

with works("image to text"):
    assert run(house.looker, image=picture, prompt="What is it?") == {"description": house.seen}

with works("image classification"):
    assert run(house.labeller, image=picture) == house.labels

with works("speech to text"):
    heard = run(house.listener, audio=list(base64.b64decode(house.sound)))
    assert (heard["text"], heard["word_count"]) == (house.heard, 2), heard

with works("text to speech"):
    reply = cf.ai.with_raw_response.run(house.speaker, account_id=account, text="Hello there.")
    assert reply.headers["content-type"] == "audio/mpeg", reply.headers
    house.is_mp3(reply.read())
    house.is_mp3(base64.b64decode(run(house.json_speaker, prompt="Hello there.")["audio"]))

with works("text to image"):
    assert base64.b64decode(run(house.json_painter, prompt="a red dot")["image"])[1:4] == b"PNG"
    reply = cf.ai.with_raw_response.run(house.painter, account_id=account, prompt="a red dot", width=512, height=256)
    assert reply.headers["content-type"] == "image/png" and reply.read()[1:4] == b"PNG", reply.headers

with works("responses"):
    response = run(house.responder, extra_body={"input": "What colour is the sky?", "instructions": "Be short."})
    assert response["output"][-1]["content"][0]["text"] == said, response

with works("batches"):
    queue = {"queueRequest": "true"}
    requests = [{"prompt": "The colour of the sky:", "external_reference": name} for name in ("first", "second")]
    batch = queued = run(talker, extra_body={"requests": requests}, extra_query=queue)
    assert queued["status"] == "queued", queued
    while "status" in batch:
        batch = run(talker, extra_body={"request_id": queued["request_id"]}, extra_query=queue)
    assert [(r["external_reference"], r["result"]["response"]) for r in batch["responses"]] == [("first", said), ("second", said)], batch

with works("price in neurons"):
    raw = cf.ai.with_raw_response.run(talker, account_id=account, messages=question)
    assert float(raw.headers["cf-ai-neurons"]) == raw.json()["result"]["usage"]["neurons"] > 0

with works("cache of a gateway"):
    for status, free in ("MISS", False), ("HIT", True):
        raw = cf.ai.with_raw_response.run(talker, account_id=account, messages=question, extra_headers={"cf-aig-gateway-id": "python", "cf-aig-cache-ttl": "60"})
        assert raw.json()["result"]["response"] == said
        assert (raw.headers["cf-aig-cache-status"], float(raw.headers["cf-ai-neurons"]) == 0) == (status, free), raw.headers

with works("logs of a gateway"):
    raw = cf.ai.with_raw_response.run(talker, account_id=account, messages=question, extra_headers={"cf-aig-gateway-id": "python"})
    log = cf.ai_gateway.logs.get(raw.headers["cf-aig-log-id"], account_id=account, gateway_id="python")
    assert (log.model, log.tokens_out, log.cached, log.success) == (talker, house.tokens, False, True), log
    cf.ai_gateway.logs.edit(log.id, account_id=account, gateway_id="python", feedback=1, score=90)
    assert sorted(log.cached for log in cf.ai_gateway.logs.list("python", account_id=account)) == [False, False, True]

with works("list of models"):
    names = [plain(m)["name"] for m in cf.ai.models.list(account_id=account)]
    assert len(names) > 50 and talker in names and house.encoder in names, names

with works("schemas of models"):
    schema = plain(cf.ai.models.schema.get(account_id=account, model=house.encoder))
    assert '"text"' in json.dumps(schema["input"]) and '"shape"' in json.dumps(schema["output"]), schema

with works("errors with code and words"):
    with refused(cloudflare.BadRequestError, "5007", "No such model @cf/no/model"):
        run("@cf/no/model", prompt="x")
    with refused(cloudflare.BadRequestError, "5006", "temperature"):
        run(talker, prompt="x", temperature=9)


async def at_once():
    """Several calls at once, through the client for asyncio."""
    async with cloudflare.AsyncCloudflare(**settings) as cf:
        return await asyncio.gather(*(cf.ai.run(talker, account_id=account, messages=question) for _ in range(4)))


with works("text"):
    assert [plain(a)["response"] for a in asyncio.run(at_once())] == [said] * 4

with works("broken streams are errors"):
    with refused(httpx.RemoteProtocolError):  # its end never comes
        streamed(house.fragile, messages=question)
    assert run(house.fragile, messages=question)["response"] == house.whole

with works("limits in neurons"):
    with refused(cloudflare.RateLimitError, house.spent, "3036"):
        cf.with_options(base_url=house.spent_url + "/client/v4").ai.run(talker, account_id=account, messages=question)

with works("fine-tunes kept"):
    tune = plain(cf.ai.finetunes.create(account_id=account, model=house.tunable, name="python"))
    cf.ai.finetunes.assets.create(tune["id"], account_id=account, file=("adapter_config.json", b'{"peft_type": "LORA", "r": 8}'), file_name="adapter_config.json")
    assert "python" in json.dumps(plain(cf.ai.finetunes.list(account_id=account)), default=str)
    with refused(cloudflare.APIStatusError, "3039", "adapter_model.safetensors"):
        run(house.tunable, prompt="x", lora="python")
house.report("cloudflare")
