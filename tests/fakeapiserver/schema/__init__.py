"""What is a valid object? And what does the server make of one before it looks: pruned, completed, its metadata read.

Start reading at ``body``, through which objects come in.

body               an object from a request's body
schema             pruning, dropping nulls, defaults
schemavalidation   validation against a definition's schema
objectmeta         metadata, read as its Go type would read it
metarules          metadata, validated
crds               a definition, and the resource types that it brings
crdrules           what is wrong with a definition itself
"""
