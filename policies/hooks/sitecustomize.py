"""Has every TLS client context of this run's Python programs trust the run's certificate beside what it trusts already,
for libraries that bring roots of their own and read no variable. Then runs the `sitecustomize` that it stands before."""

import importlib.machinery
import importlib.util
import os
import ssl
import sys

_here = os.path.dirname(os.path.abspath(__file__))
_certificate = os.path.join(os.path.dirname(_here), "ca.pem")
_new = ssl.SSLContext.__new__


def _context(cls, *arguments, **named):
    context = _new(cls, *arguments, **named)
    if context.protocol != ssl.PROTOCOL_TLS_SERVER:
        context.load_verify_locations(cafile=_certificate)
    return context


ssl.SSLContext.__new__ = staticmethod(_context)

_elsewhere = [path for path in sys.path if os.path.abspath(path or os.curdir) != _here]
_shadowed = importlib.machinery.PathFinder.find_spec("sitecustomize", _elsewhere)
if _shadowed is not None and _shadowed.loader is not None:
    _shadowed.loader.exec_module(importlib.util.module_from_spec(_shadowed))
