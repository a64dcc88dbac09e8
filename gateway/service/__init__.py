"""
Floor 6, composition: a configuration becomes objects, and objects a service.

``tree.py`` is the page that a newcomer reads to understand the program.
"""
