"""How does Go read it? JSON, YAML, numbers and times as Go's packages do, where Python's are of another opinion.

Start reading at ``gojson``: most bodies go through it.

gojson      JSON: numbers, values of a wrong type, fields given twice
goyaml      YAML 1.1 of Go's making, turned into JSON and back
gonumbers   decimal numbers in query parameters and JSON pointers
gotime      RFC 3339 times
"""
