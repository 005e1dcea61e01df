//! `cargo xtask test`: all tests, or those of one kind.

mod cuda;
mod device;
mod fast;
mod memcheck;
mod programs;
mod skipped;
#[cfg(unix)]
mod slurm;

use std::process::{Command, Stdio};

use anyhow::Result;
use clap::Args;

use crate::workspace::{cargo_command, run};

/// Which tests.
#[derive(Args)]
pub struct Test {
    /// The tests that take seconds: those that train no model and don't run the program
    #[arg(long, group = "kind")]
    fast: bool,
    /// The same, compiled with debug assertions and overflow checks
    #[arg(long, group = "kind")]
    checked: bool,
    /// The kernels' tests of small shapes under valgrind's memcheck
    #[arg(long, group = "kind")]
    memcheck: bool,
    /// Only compile: `fastersam` with the feature `cuda`, without a GPU or CUDA's toolkit
    #[arg(long, group = "kind")]
    cuda_check: bool,
    /// What every backend must pass, on this device: wgpu, libtorch, cuda, each with :N for the Nth
    #[arg(long, group = "kind", value_name = "NAME")]
    device: Option<String>,
    /// A suite of 40 cells on a real Slurm on this machine, with cells that are killed, against the same without it; needs root
    #[cfg(unix)]
    #[arg(long, group = "kind")]
    slurm: bool,
    /// Names of tests and further options of cargo-nextest, or of `cargo test` where that is not installed
    #[arg(trailing_var_arg = true, conflicts_with = "kind")]
    arguments: Vec<String>,
}

impl Test {
    /// Runs them.
    pub fn run(&self) -> Result<()> {
        #[cfg(unix)]
        if self.slurm {
            return slurm::check();
        }
        if self.fast || self.checked {
            skipped::reported(|skipped| fast::run_fast(skipped, self.checked))
        } else if self.memcheck {
            memcheck::run_small()
        } else if let Some(device) = &self.device {
            device::check(device)
        } else if self.cuda_check {
            cuda::check()
        } else {
            skipped::reported(|skipped| self.run_all(skipped))
        }
    }

    fn run_all(&self, skipped: &skipped::Collected) -> Result<()> {
        let mut tests = tests();
        run(skipped.collect(tests.args(["--release", "--workspace"]).args(&self.arguments)))?;
        // nextest runs no documentation tests: the examples of the READMEs. Where tests are picked, those are not.
        if has_nextest() && self.arguments.is_empty() {
            run(cargo_command().args(["test", "--doc", "--release", "--workspace"]))?;
        }
        Ok(())
    }
}

/// cargo-nextest, or cargo's own `test` where that is not installed.
fn tests() -> Command {
    let mut command = cargo_command();
    command.args(if has_nextest() { ["nextest", "run"].as_slice() } else { &["test"] });
    command
}

fn has_nextest() -> bool {
    let asked =
        cargo_command().args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}
