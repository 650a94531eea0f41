"""File sync: local files to and from a container, over nothing but an exec channel.

A transfer is planned completely before the first byte leaves: what is there, which tar members that
makes, and how many bytes those are. So the container's side can bound its input by a number. It has
to, because exec in protocol v4 has no way to say that the input has ended.

Start reading at ``transfer``. Highest layer first:

    transfer         upload(): plan, send, and check that the container confirmed it
    localfiles       the contents of local files, checked for changes while they are read
    batches          cuts a big tree into several archives (pure)
    receiver         the command that receives an archive, and what its outcome means (pure)
    tarstream        from entries to the bytes of a tar archive of known length (pure)
    scan             what is in a local directory, read once
    receiverscript   the shell script that runs in the container
"""
