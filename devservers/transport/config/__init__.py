"""Which cluster? From files and environment to a :class:`~.clientconfig.ClientConfig`.

Start reading at :mod:`.sources`. In the order of the way from a file to a configuration:

sources       ``load_config``: the first of kubeconfig=, KUBECONFIG, ~/.kube/config, service account
lookup        the kubeconfig files that are to be used, and what they say together
incluster     the service account of the pod
kubeconfig    files: read, taken apart into named entries, merged
document      their bytes as plain data: JSON, or YAML by way of
goyaml        YAML as kubectl reads it, within bounds
entry         typed access to one mapping of a kubeconfig, with errors that name it
contexts      context, cluster and user as one configuration; noticing when they change
user          a user entry as credentials, and every conflict in it
execstanza    the ``exec`` of a user: its credential plugin
clientconfig  ``ClientConfig``: the result, which everything else is given
proxies       which proxy leads to the server
serverurl     the server's address in one normal form
"""
