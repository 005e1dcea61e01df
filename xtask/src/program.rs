//! `cargo xtask reproduce`, `bench`, `data`, `weights`: commands of the program `fastersam`, compiled if need be.

use anyhow::Result;
use clap::Args;

use crate::cargo;

/// What is passed on as it is.
#[derive(Args)]
pub struct Passed {
    /// Options of the program's command
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Passed {
    /// Runs a command of the program with these options.
    pub fn run(&self, command: &[&str]) -> Result<()> {
        let run = ["run", "--release", "--package", "fastersam-experiments", "--bin", "fastersam", "--"];
        cargo(&[&run, command].concat(), &self.arguments)
    }
}
