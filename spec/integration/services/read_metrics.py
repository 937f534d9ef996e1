"""Reads a page of metrics as Prometheus would, and writes it as JSON: families by their names."""

import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

json.dump({
    family.name: {
        "type": family.type,
        "help": family.documentation,
        "samples": [[sample.name, sample.labels, sample.value] for sample in family.samples],
    } for family in text_string_to_metric_families(sys.stdin.read())
}, sys.stdout)
