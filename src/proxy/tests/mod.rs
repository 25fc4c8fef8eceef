//! The broker over loopback, against a local upstream: the whole way of a request, where units cannot show it.

mod bodies;
mod fuzz;
mod harness;
mod requests;
mod sockets;
mod tunnels;
mod values;
