"""The version of the package, on its own because the layers below name it in their User-Agent."""

__version__ = "0.1.0"
