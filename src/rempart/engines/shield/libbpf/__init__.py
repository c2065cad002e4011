"""libbpf, as far as the shield needs it: typed, over ctypes, with errors that say what to do.

Everything the kernel gives is a descriptor that is closed when its object is forgotten, so that a loader that
fails half-way leaves nothing behind.

    declarations   enumerations, structures, types of functions
    library        the library, descriptors, errors
    maps, programs, links, objects
"""

from rempart.engines.shield.libbpf.declarations import MMAPABLE, NO_PREALLOCATION, Kind, MapType, Mode
from rempart.engines.shield.libbpf.library import Descriptor, library, possible_cpus
from rempart.engines.shield.libbpf.links import Attached, Link, attach_to_tracepoint, attached
from rempart.engines.shield.libbpf.maps import Buffer, Bytes, Map, Shape
from rempart.engines.shield.libbpf.objects import MapDefinition, Object
from rempart.engines.shield.libbpf.programs import Program, Run

__all__ = [
    "MMAPABLE",
    "NO_PREALLOCATION",
    "Attached",
    "Buffer",
    "Bytes",
    "Descriptor",
    "Kind",
    "Link",
    "Map",
    "MapDefinition",
    "MapType",
    "Mode",
    "Object",
    "Program",
    "Run",
    "Shape",
    "attach_to_tracepoint",
    "attached",
    "library",
    "possible_cpus",
]
