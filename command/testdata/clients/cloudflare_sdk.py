"""The life of an index through Cloudflare's SDK for Python.

usage: cloudflare_sdk.py INDEX-NAME
"""
import json
import os
import sys

import cloudflare

name = sys.argv[1]
account = "local"
cf = cloudflare.Cloudflare(base_url=os.environ["NEARSIDE_URL"] + "/client/v4", api_token="local", max_retries=0)
indexes = cf.vectorize.indexes

created = indexes.create(account_id=account, name=name, config={"dimensions": 3, "metric": "euclidean"})
assert created.name == name, created
records = [{"id": "a", "values": [1, 0, 0], "metadata": {"n": 1}}, {"id": "b", "values": [0, 2, 0], "namespace": None}]
reply = indexes.upsert(name, account_id=account, body="\n".join(map(json.dumps, records)))
assert reply.mutation_id, reply
assert indexes.info(name, account_id=account).vector_count == 2
answer = indexes.query(name, account_id=account, vector=[1, 0, 0], top_k=2, return_metadata="all")
assert [m.id for m in answer.matches] == ["a", "b"], answer
assert answer.matches[0].score == 0 and abs(answer.matches[1].score - 5**0.5) < 1e-6, answer
indexes.delete_by_ids(name, account_id=account, ids=["a"])
assert indexes.info(name, account_id=account).vector_count == 1
assert name in [i.name for i in indexes.list(account_id=account)]
indexes.delete(name, account_id=account)
print("cloudflare (Python): ok")
