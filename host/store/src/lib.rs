//! Keeps connections and variables in one crash-safe file.
