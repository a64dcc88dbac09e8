"""
Floor 3: where consoles are, one module per kind of hypervisor.

Each provides the Driver seam; none imports a sibling floor or the configuration.
"""
