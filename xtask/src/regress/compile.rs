//! How long the program takes to compile from nothing.

use std::time::Instant;

use anyhow::Result;

use crate::product::{Scratch, say};
use crate::workspace::{cargo_command, run};

/// Seconds that a first `cargo build` of the program takes; the crates' sources must have been fetched before.
pub fn seconds() -> Result<f64> {
    run(cargo_command().args(["fetch", "--locked"]))?;
    let target = Scratch::new("compile")?;
    say("compiling the program from nothing");
    let started = Instant::now();
    let build = ["build", "--release", "--locked", "--offline", "--package", "fastersam-cli"];
    run(cargo_command().args(build).env("CARGO_TARGET_DIR", target.path()))?;
    Ok(started.elapsed().as_secs_f64())
}
