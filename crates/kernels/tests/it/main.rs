//! The fused operations against the compositions of burn's operations that they stand for, at every level of
//! instructions that the machine has.
#![allow(missing_docs, clippy::unwrap_used)]
#![deny(clippy::undocumented_unsafe_blocks)]

mod attention;
mod independence;
mod linear;
mod maps;
mod narrow;
mod norm;
mod prepacked;
mod rows;
mod small;
mod support;
