"""Reads a dashboard into the types that Grafana makes of its schema, and writes what they keep of it."""

import json
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

register_default_plugins()
json.dump(Dashboard.from_json(json.load(sys.stdin)), sys.stdout, cls=JSONEncoder)
