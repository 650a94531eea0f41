"""As whom? Credentials: where they come from, how they are renewed, and how they stay secret.

Start reading at :mod:`.credentials`.

login        what one call does about a 401: renew, read the kubeconfig again, send again
credentials  tokens, passwords, token files, impersonation; the headers of one request
plugin       exec credential plugins: what they are told, their answer, when it expires
process      running one: without a shell, in its time
redaction    secrets cut out of messages
"""
