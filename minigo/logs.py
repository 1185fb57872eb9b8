# SPDX-License-Identifier: Apache-2.0
"""How log lines look: text for people, or one JSON object a line for whoever collects logs."""

import json
import logging
import sys
import time
from typing import Final

FORMATS: Final = ("text", "json")
_SEVERITIES: Final = {"WARNING": "WARNING", "ERROR": "ERROR", "CRITICAL": "CRITICAL", "DEBUG": "DEBUG"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with the field names that Google Cloud's logging knows."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        document = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{record.msecs:03.0f}Z",
            "severity": _SEVERITIES.get(record.levelname, "INFO"),
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document)


def are_json() -> bool:
    """Whether log lines are JSON here, so that nothing else may go to stderr."""
    return any(isinstance(handler.formatter, JsonFormatter) for handler in logging.getLogger().handlers)


def start_logs(log_format: str = "text") -> None:
    """Sends the program's log lines to stderr, from INFO on."""
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname).1s %(message)s", datefmt="%H:%M:%S")
    handler.setFormatter(JsonFormatter() if log_format == "json" else text)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
