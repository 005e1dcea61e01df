//! What the decoder refuses.

use thiserror::Error;

/// A configuration or an input that doesn't fit the decoder.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecoderError {
    /// The configuration contradicts itself.
    #[error("the decoder configuration is not usable: {0}")]
    Config(String),
    /// An input of another shape.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// Which input.
        what: &'static str,
        /// What the decoder takes.
        expected: String,
        /// What it was given.
        found: String,
    },
}
