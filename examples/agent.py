"""A tiny agent: reads its key from the environment, shows what it sees, and uses it.

    export OPENAI_API_KEY=sk-proj-...
    agentsecrets run -- python3 examples/agent.py
"""

import json
import os
import urllib.request

key = os.environ["OPENAI_API_KEY"]
print("the key that I can see:", key)

request = urllib.request.Request(
    "https://api.openai.com/v1/models", headers={"Authorization": f"Bearer {key}"}
)
with urllib.request.urlopen(request) as response:
    models = json.load(response)["data"]
print("and yet it works:", len(models), "models")
