//! The device that tests run on: one suite for every backend.

use burn::tensor::Device;

use crate::backend::Backend;
use crate::name::open;

/// Names it, as `--device` does; not set, it is `flex`.
const VARIABLE: &str = "FASTERSAM_DEVICE";

fn name() -> String {
    std::env::var(VARIABLE).unwrap_or_else(|_| Backend::Flex.to_string())
}

/// The device of tests that any backend must pass.
///
/// # Panics
/// Where the variable names a device that is not there: nothing would have been tested.
#[must_use]
pub fn of_tests() -> Device {
    open(&name()).unwrap_or_else(|error| panic!("{VARIABLE}: {error}"))
}

/// How much farther off than on the CPU results may be.
struct Tolerances {
    /// What sums in another order and, on an NVIDIA GPU, multiplies with 10 bits of mantissa.
    forward: f64,
    /// Gradients pass through twice as many operations, whose exponentials and error functions a GPU approximates.
    training: f64,
}

const TOLERANCES: [(Backend, Tolerances); 4] = [
    (Backend::Flex, Tolerances { forward: 1.0, training: 1.0 }),
    (Backend::LibTorch, Tolerances { forward: 2.0, training: 2.0 }),
    (Backend::Wgpu, Tolerances { forward: 4.0, training: 80.0 }),
    (Backend::Cuda, Tolerances { forward: 4.0, training: 80.0 }),
];

fn tolerance(of: impl Fn(&Tolerances) -> f64) -> f64 {
    let name = name();
    let kind = name.split(':').next().unwrap_or_default();
    TOLERANCES
        .iter()
        .find(|(backend, _)| backend.to_string() == kind)
        .map_or(1.0, |(_, tolerances)| of(tolerances))
}

/// How much farther off than on the CPU a forward pass may be there.
#[must_use]
pub fn tolerance_factor() -> f64 {
    tolerance(|tolerances| tolerances.forward)
}

/// The same for gradients, and for parameters after some steps.
#[must_use]
pub fn training_tolerance_factor() -> f64 {
    tolerance(|tolerances| tolerances.training)
}
