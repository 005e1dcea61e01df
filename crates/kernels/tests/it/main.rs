//! Tests of the operations.
#![allow(missing_docs, clippy::unwrap_used)]

mod rows;
