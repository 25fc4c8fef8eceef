//! What a run did, without values: events, the file they go to, the hash chain that holds them.
