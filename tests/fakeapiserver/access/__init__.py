"""Who is it, and what may they do? Tokens, certificates, rules, impersonation; and the way in, for a client.

Start reading at ``auth``.

auth            bearer tokens, client certificates, and rules by (user, verb, resource)
impersonation   a request whose sender acts as somebody else
tlsfiles        the certificate authority, and the certificates that it issues
kubeconfig      kubeconfig files that lead to this server
"""
