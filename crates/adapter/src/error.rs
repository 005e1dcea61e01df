//! What this crate refuses.

use thiserror::Error;

/// A configuration that contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AdapterError {
    /// A width that can't be used.
    #[error("{what}: expected {expected}, found {found}")]
    Width {
        /// Which setting.
        what: &'static str,
        /// What it has to be.
        expected: String,
        /// What it is.
        found: String,
    },
}
