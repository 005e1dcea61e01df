//! Why a device can't be used.

use crate::backend::{Backend, NAMES};
use crate::precision::Precision;

/// A name that opens no device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// No backend is called so.
    #[error("there is no device {name:?}; there are: {NAMES}")]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// What follows the colon is no number.
    #[error("{name:?}: {index:?} is no device number; {backend}:0 is the first")]
    Index {
        /// What was asked for.
        name: String,
        /// What follows the colon.
        index: String,
        /// The backend.
        backend: Backend,
    },
    /// The backend was not compiled in.
    #[error(
        "this build has no support for the device {name:?}; compile it in with \
         `cargo build --release -p fastersam-cli --features {}`",
        backend.feature()
    )]
    NotCompiled {
        /// What was asked for.
        name: String,
        /// The backend.
        backend: Backend,
    },
    /// The device does not compute with such numbers.
    #[error("the device {name:?} does not compute in {precision}; f32 works everywhere")]
    Precision {
        /// The device.
        name: String,
        /// What was asked for.
        precision: Precision,
    },
    /// The machine has no such device.
    #[error("this machine has no device {name:?}: {reason}")]
    Missing {
        /// What was asked for.
        name: String,
        /// Why.
        reason: String,
    },
}
