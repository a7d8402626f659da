"""Embeddings through OpenAI's SDK for Python."""
import os

import openai

client = openai.OpenAI(base_url=os.environ["NEARSIDE_URL"] + "/v1", api_key="local", max_retries=0)
texts = ["a cat sat on the mat", "the feline rested on the rug", "quarterly tax report"]
reply = client.embeddings.create(model="@nearside/all-minilm-l6-v2", input=texts)
first, second, third = (d.embedding for d in reply.data)
assert len(first) == 384, len(first)


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


assert abs(dot(first, first) - 1) < 1e-4
assert dot(first, second) > dot(first, third)
try:
    client.embeddings.create(model="no-such-model", input="x")
except openai.BadRequestError as e:
    assert "no-such-model" in str(e), e
else:
    raise AssertionError("an unknown model was accepted")
print("openai (Python): ok")
