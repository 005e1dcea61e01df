//! What the encoder refuses.

use fastersam_pause::PauseError;
use thiserror::Error;

/// A configuration, an input or pause settings that don't fit the encoder.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncoderError {
    /// The configuration contradicts itself.
    #[error("the encoder configuration is not usable: {0}")]
    Config(String),
    /// An input of another shape.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// Which input.
        what: &'static str,
        /// What the encoder takes.
        expected: String,
        /// What it was given.
        found: String,
    },
    /// Pause settings that don't fit the pause points.
    #[error(transparent)]
    Pause(#[from] PauseError),
    /// A tuning scheme that mixes tokens can't pause some of them.
    #[error("the tuning scheme `{scheme}` mixes tokens, so nothing can be paused exactly; use the policy `never`")]
    NotPointWise {
        /// The scheme's name.
        scheme: &'static str,
    },
}
