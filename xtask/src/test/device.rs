//! `cargo xtask test --device NAME`: what every backend must pass, on one of them.

use anyhow::{Result, bail};

use super::tests;
use crate::workspace::run;

/// Names the device to the tests.
const VARIABLE: &str = "FASTERSAM_DEVICE";
/// The crates that hold such tests: others have nothing to do with the device, and would only be compiled.
const CRATES: [&str; 4] = ["fastersam-device", "fastersam-pausing-encoder", "fastersam", "fastersam-cli"];
/// The tests that run on the device: golden values, padded rows against ragged ones, gradients, and a training that goes on
/// on another device, whose model then gives the same on both.
const NAMES: [&str; 7] =
    ["golden_sam", "golden_pausing", "golden_ten", "golden_losses", "padded", "gradients", "devices_continue"];

/// Runs them on `wgpu`, `wgpu:1`, `libtorch`, `cuda:0`, ...
pub fn check(device: &str) -> Result<()> {
    let feature = match device.split(':').next() {
        Some("flex") => "flex",
        Some("cuda") => "cuda",
        Some("wgpu") => "wgpu",
        Some("libtorch") => "tch",
        _ => bail!("there is no device {device:?}; there are: flex, cuda, wgpu and libtorch, with :N for the Nth"),
    };
    let mut command = tests();
    command.args(["--release", "--features", &format!("fastersam-cli/{feature}")]);
    for name in CRATES {
        command.args(["-p", name]);
    }
    run(command.args(NAMES).env(VARIABLE, device))
}
