"""What does a patch make of an object, and whose are its fields? Four kinds of patches, and server-side apply.

Start reading at ``patches``, for apply at ``managedfields``. Pure: objects in, objects out.

patches         merge patch, JSON patch, and strategic merge patch
rfc6902         JSON patch, as kind as the API server is
managedfields   who owns which fields, kept in ``metadata.managedFields``
typedvalue      objects compared, merged and pruned field by field
fieldtypes      what is merged field by field, and what is owned as a whole
fieldset        sets of fields, as ``managedFields`` writes them
"""
