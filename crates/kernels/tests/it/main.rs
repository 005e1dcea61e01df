//! The fused operations against the compositions of burn's operations that they stand for.
#![allow(missing_docs, clippy::unwrap_used)]

mod attention;
mod independence;
mod linear;
mod maps;
mod norm;
mod packed;
mod rows;
mod support;
