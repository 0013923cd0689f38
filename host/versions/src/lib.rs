//! Versions of connectors: fetched, verified, pinned and kept by digest.
