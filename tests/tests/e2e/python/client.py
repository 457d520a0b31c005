"""Calls every method of prometheus-api-client that asks a server, and prints what comes back as one JSON object."""

import json
import sys
from datetime import datetime, timezone

from prometheus_api_client import PrometheusConnect

url, start, end = sys.argv[1], *(datetime.fromtimestamp(float(text), timezone.utc) for text in sys.argv[2:4])
client = PrometheusConnect(url=url)
at_end = {"time": end.timestamp()}
ranged = client.get_metric_range_data("node_load1", {"instance": "a:9100"}, start_time=start, end_time=end)
print(
    json.dumps(
        {
            # Debian's prometheus has no front page.
            "connection": len(sys.argv) > 4 or client.check_prometheus_connection(),
            "all_metrics": sorted(set(client.all_metrics()) & {"node_load1", "node_cpu_seconds_total"}),
            "series": client.get_series(start, end, {"match[]": "node_load1"}),
            "label_names": client.get_label_names({"match[]": "node_load1"}),
            "label_values": client.get_label_values("instance", {"match[]": "node_load1"}),
            "current": client.get_current_metric_value("node_load1", {"instance": "a:9100"}, at_end),
            "range": ranged,
            "query": client.custom_query("sum(node_load1)", at_end),
            "query_range": client.custom_query_range("sum by (instance) (node_load1)", start, end, "60"),
            "scrape_pools": client.get_scrape_pools(),
            "targets": [target["labels"]["job"] for target in client.get_targets()["activeTargets"]],
            "target_metadata": [
                entry["type"] for entry in client.get_target_metadata({"job": "live"}, "live_gauge")
            ],
            "metadata": client.get_metric_metadata("live_gauge"),
        },
        sort_keys=True,
    )
)
