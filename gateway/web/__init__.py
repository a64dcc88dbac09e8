"""
Floor 5: what HTTP clients meet.

The REST API, the browser client's files, and what a request presents to be
let in.  It talks to ``sessions`` (desk, consoles, broker) and never to stores
or hypervisors; sockets, TLS and WebSocket frames are ``net``'s.
"""
