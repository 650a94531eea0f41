"""What becomes of the objects? Stored, listed, watched, written, deleted: the REST of the Kubernetes API.

Start reading at ``store``; then ``writes``, for its order of steps is the order of errors.

api         the resources that are served, and what follows from a write
answers     one object, a list, or events, in the form that was asked for
store       objects, one lock, one revision counter
eventlog    what happened to the objects of one resource
watch       every watch stream, from its first event to its end
reads       get, list, watch
writes      create, update
patching    patch, and server-side apply
deletes     one object or a collection: preconditions, propagation, grace, finalizers
strategy    what is made of an object before it is stored
selection   which objects selectors choose
pages       continue tokens
options     parameters of the query
deadline    the ``timeout`` parameter
"""
