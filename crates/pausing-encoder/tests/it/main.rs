//! The encoder against SAM's own numbers, and the properties that pausing must have.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

mod exactness;
mod full_size;
mod golden_pausing;
mod golden_sam;
mod gradients;
mod inputs;
mod official_keys;
mod padded;
mod pausing;
mod reference;
mod support;
