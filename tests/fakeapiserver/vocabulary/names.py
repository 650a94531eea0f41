"""Names, label keys and label values: the API's rules and its wording of what breaks them."""

from __future__ import annotations

import re

LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = LABEL + "(\\." + LABEL + ")*"
QUALIFIED_PART = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
LABEL_VALUE = f"({QUALIFIED_PART})?"

NAME_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character "
    f"(e.g. 'example.com', regex used for validation is '{SUBDOMAIN}')"
)
LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character "
    f"(e.g. 'my-name',  or '123-abc', regex used for validation is '{LABEL}')"
)
VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character "
    f"(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '{LABEL_VALUE}')"
)
PART_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character "
    f"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{QUALIFIED_PART}')"
)
QUALIFIED_RULE = (
    "a qualified name must consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character "
    f"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{QUALIFIED_PART}') "
    "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
)


def _too_long(value: str, limit: int) -> list[str]:
    return [] if len(value.encode()) <= limit else [f"must be no more than {limit} characters"]


def subdomain_errors(value: str) -> list[str]:
    """What is wrong with an object's name (DNS-1123 subdomain)."""
    return _too_long(value, 253) + ([] if re.fullmatch(SUBDOMAIN, value) else [NAME_RULE])


def label_errors(value: str) -> list[str]:
    """What is wrong with a namespace's name (DNS-1123 label)."""
    return _too_long(value, 63) + ([] if re.fullmatch(LABEL, value) else [LABEL_RULE])


def label_value_errors(value: str) -> list[str]:
    return _too_long(value, 63) + ([] if re.fullmatch(LABEL_VALUE, value) else [VALUE_RULE])


def qualified_name_errors(value: str) -> list[str]:
    """What is wrong with a label key, annotation key or finalizer: ``[prefix/]name``."""
    parts = value.split("/")
    if len(parts) > 2:
        return [QUALIFIED_RULE]
    errors: list[str] = []
    if len(parts) == 2:
        prefix = parts[0]
        if not prefix:
            errors.append("prefix part must be non-empty")
        else:
            errors.extend(f"prefix part {error}" for error in subdomain_errors(prefix))
    name = parts[-1]
    if not name:
        errors.append("name part must be non-empty")
    elif len(name) > 63:
        errors.append("name part must be no more than 63 characters")
    if not re.fullmatch(QUALIFIED_PART, name):
        errors.append(PART_RULE)
    return errors


def path_segment_errors(value: str) -> list[str]:
    """What keeps a name from being one segment of a path."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{letter}'" for letter in "/%" if letter in value]
