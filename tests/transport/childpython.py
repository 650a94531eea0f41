"""A child interpreter in a restricted environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

ROOT = Path(__file__).resolve().parents[2]


def run_python(
    code: str,
    *,
    options: Sequence[str] = (),
    env: Optional[Mapping[str, str]] = None,
    path: Optional[Path] = None,
    **popen: Any,
) -> str:
    """What ``code`` prints in a fresh interpreter that finds ``devservers`` in ``path``; a failure shows its stderr."""
    prelude = f"import sys; sys.path.insert(0, {str(path or ROOT)!r})\n"
    process: subprocess.CompletedProcess[bytes] = subprocess.run(
        [sys.executable, *options, "-c", prelude + code],
        env={"PATH": os.environ["PATH"], **(env or {})},
        capture_output=True,
        timeout=60,
        check=False,
        **popen,
    )
    if process.returncode != 0:
        raise AssertionError(f"the child failed ({process.returncode}):\n{process.stderr.decode()}")
    return process.stdout.decode().strip()
