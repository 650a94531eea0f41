"""What do only kubectl and other clients ask for? The SDK asks for nothing here.

Start reading at ``discovery``.

discovery     groups, resources, version
openapi       OpenAPI documents
reviews       access reviews: ``kubectl auth can-i``
watchprefix   ``/watch/`` in front of a path
"""
