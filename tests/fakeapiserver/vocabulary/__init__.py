"""What are things called? Kinds, names, verbs, and what is said of failures: the API's words, to the letter.

Start reading at ``status``: each refusal that the server knows has its builder there.

status         failures: each becomes a ``Status`` answer
fielderrors    causes of a 422
objects        objects as plain data
resources      kinds that are served: names, scope, verbs
requestinfo    what a method and a path ask for: verb, resource, namespace, name
names          rules for names, label keys and label values
selectors      label and field selectors, parsed
streamstatus   the last word of an exec session
"""
