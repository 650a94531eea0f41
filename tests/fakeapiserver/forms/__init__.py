"""In which form does an object come or go? JSON, YAML, protobuf; whole, as metadata only, or as a Table.

Start reading at ``negotiate``: every request with a body and every answer passes it.

negotiate        which form an answer takes, and how a body is read
protobuf         the bodies that kubectl's typed clients send
views            Table and metadata only
printercolumns   the columns that a definition adds to a Table
"""
