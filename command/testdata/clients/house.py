"""What the server of these tests has, and what a script saw of it; house.mjs says more."""
import contextlib
import importlib.metadata
import json
import os
import sys

spent_url = os.environ["NEARSIDE_SPENT_URL"]
url = os.environ["NEARSIDE_URL"]

talker = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
completer = "@cf/zai-org/glm-4.7-flash"
thinker = "@cf/qwen/qwen3-30b-a3b-fp8"
eyes = "@cf/meta/llama-3.2-11b-vision-instruct"
fragile = "@cf/mistralai/mistral-small-3.1-24b-instruct"
responder = "@cf/openai/gpt-oss-20b"
tunable = "@cf/mistral/mistral-7b-instruct-v0.2-lora"
encoder = "@cf/baai/bge-small-en-v1.5"
ranker = "@cf/baai/bge-reranker-base"
judge = "@cf/huggingface/distilbert-sst-2-int8"
summarizer = "@cf/facebook/bart-large-cnn"
translator = "@cf/meta/m2m100-1.2b"
labeller = "@cf/microsoft/resnet-50"
looker = "@cf/llava-hf/llava-1.5-7b-hf"
listener = "@cf/openai/whisper"
speaker = "@cf/deepgram/aura-1"
json_speaker = "@cf/myshell-ai/melotts"
painter = "@cf/stabilityai/stable-diffusion-xl-base-1.0"
json_painter = "@cf/black-forest-labs/flux-1-schnell"

said = "The sky is blue.\n"
tokens = 7
spent = "of its 1.000000 neurons"
whole = "It is whole."
seen = "A red dot."
picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABpfZFQAAAAABJRU5ErkJggg=="
labels = [{"label": "red dot", "score": 0.75}, {"label": "pixel", "score": 0.25}]
heard = "hello there"
sound = "UklGRiwAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQgAAACAgICAgICAgA=="

question = [{"role": "user", "content": "What colour is the sky?"}]
weather = {
    "name": "weather",
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
texts = ["a cat sat on the mat", "the feline rested on the rug", "quarterly tax report"]
query = "is the sky blue"
contexts = ["taxes are due", "the sky is blue", "the sky"]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def near(vectors):
    """Fails unless the vectors of texts say which texts are alike."""
    cat, feline, tax = vectors
    assert len(cat) == 384, len(cat)
    assert abs(dot(cat, cat) - 1) < 1e-4
    assert dot(cat, feline) > dot(cat, tax) + 0.2


def is_mp3(file):
    """Fails unless the bytes are the sound that every text is read aloud as: 100 frames."""
    assert file[:3] == b"\xff\xfb\x90" and len(file) == 100 * 417, len(file)


worked = []


@contextlib.contextmanager
def works(task):
    """Checks a task; a check that fails ends the script."""
    try:
        yield
    except BaseException:
        print(f"{task}:", file=sys.stderr)
        raise
    worked.append(task)


@contextlib.contextmanager
def refused(kind, *words):
    """Fails unless what is done raises an error of the kind with the words in it."""
    try:
        yield
    except kind as e:
        assert all(word in str(e) for word in words), e
    else:
        raise AssertionError(f"nothing was refused; expected {words}")


def report(client):
    """Prints what worked, and with which client."""
    print(json.dumps({"client": f"{client} {importlib.metadata.version(client)} (Python)", "worked": worked}))
