"""The types that the store, the compilers, the API and the command line all speak.

Frozen values and their validation, nothing else: no sockets, no clock, no files.
"""
