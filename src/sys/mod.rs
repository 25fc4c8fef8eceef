//! System calls that nix does not wrap: the only room with unsafe code.
