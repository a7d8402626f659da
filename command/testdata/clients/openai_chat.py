"""Chat and streams through OpenAI's SDK for Python."""
import os

import openai

client = openai.OpenAI(base_url=os.environ["NEARSIDE_URL"] + "/v1", api_key="local", max_retries=0)
model = "@cf/meta/llama-3.2-3b-instruct"
messages = [{"role": "user", "content": "why is the sky blue"}]
said = "The sky is blue."

whole = client.chat.completions.create(model=model, messages=messages)
assert whole.choices[0].message.content == said, whole
assert whole.usage.completion_tokens == 5, whole.usage

pieces = client.chat.completions.create(model=model, messages=messages, stream=True)
assert "".join(p.choices[0].delta.content or "" for p in pieces if p.choices) == said

assert client.responses.create(model=model, input="why is the sky blue").output_text == said
assert client.completions.create(model=model, prompt="why is the sky blue").choices[0].text == said

try:
    client.chat.completions.create(model="no-such-model", messages=messages)
except openai.BadRequestError as e:
    assert "no-such-model" in str(e), e
else:
    raise AssertionError("an unknown model was accepted")
print("openai (Python), chat: ok")
