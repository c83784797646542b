"""The policy as pure functions over arrays. It knows token ids, positions and meshes; it knows nothing of tools."""
