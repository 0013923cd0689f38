//! Placeholder.

/// Leave to send one request.
#[derive(Debug)]
pub struct Permit;
