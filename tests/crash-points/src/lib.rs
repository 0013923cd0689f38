//! Ends a program at a chosen write, sync or rename.
