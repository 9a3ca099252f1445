"""Start the gateway in TensorZero's package: `tensorzero_gateway.py CONFIG ADDRESS_FILE`.

It chooses its port itself and runs on Rust threads; Python only waits.
"""

import sys
import threading
from pathlib import Path

from tensorzero.tensorzero import _start_http_gateway

gateway = _start_http_gateway(
    config_file=sys.argv[1],
    clickhouse_url=None,
    postgres_url=None,
    valkey_url=None,
    async_setup=False,
)
Path(sys.argv[2]).write_text(gateway.base_url)
threading.Event().wait()
