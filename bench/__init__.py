"""Benchmarks of this service, of comparable services, and of a bare WSGI function."""
