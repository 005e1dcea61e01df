//! `cargo xtask test`: all tests.

use std::process::Stdio;

use anyhow::Result;
use clap::Args;

use crate::{cargo, cargo_command};

/// Which tests.
#[derive(Args)]
pub struct Test {
    /// Passed to `cargo nextest run`, or to `cargo test` where nextest is not installed
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Test {
    /// Runs the tests with cargo-nextest, or, where it is not installed, with cargo itself.
    pub fn run(&self) -> Result<()> {
        if has_nextest() {
            cargo(&["nextest", "run", "--release", "--workspace"], &self.arguments)?;
            // nextest runs no documentation tests: the examples of the READMEs.
            return cargo(&["test", "--doc", "--release", "--workspace"], &[]);
        }
        cargo(&["test", "--release", "--workspace"], &self.arguments)
    }
}

fn has_nextest() -> bool {
    let asked =
        cargo_command().args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}
