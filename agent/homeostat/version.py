"""The release, in a file of its own: floors may import it, and must not import the package above them."""

__version__ = "0.1.0"
