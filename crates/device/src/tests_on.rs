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

/// How much farther off than on the CPU a result may be there: what sums in another order and, on an NVIDIA GPU, multiplies
/// with 10 bits of mantissa.
#[must_use]
pub fn tolerance_factor() -> f64 {
    const FACTORS: [(Backend, f64); 4] =
        [(Backend::Flex, 1.0), (Backend::LibTorch, 2.0), (Backend::Wgpu, 4.0), (Backend::Cuda, 4.0)];
    let name = name();
    let kind = name.split(':').next().unwrap_or_default();
    FACTORS.iter().find(|(backend, _)| backend.to_string() == kind).map_or(1.0, |&(_, factor)| factor)
}
