"""From tools to tasks: everything on the host that needs no accelerator.

Imports nothing of the other rooms and never imports jax, so that stores can be built and tasks synthesised on any machine.
"""
