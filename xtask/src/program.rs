//! `cargo xtask reproduce`, `bench`, `data`, `weights`: commands of the program `fastersam`, compiled if need be.

use anyhow::{Context, Result};
use clap::Args;

use crate::workspace::{cargo, cargo_command, output};

/// How cargo runs the program.
const RUN: [&str; 7] = ["run", "--release", "--quiet", "--package", "fastersam-cli", "--bin", "fastersam"];

/// Which commands of `cargo xtask` are commands of the program.
pub const PASSED_ON: [(&[&str], &[&str]); 6] = [
    (&["reproduce"], &["reproduce"]),
    (&["regress"], &["regress"]),
    (&["bench"], &["bench"]),
    (&["data"], &["data"]),
    (&["weights", "inspect"], &["inspect"]),
    (&["weights", "check"], &["inspect", "--check"]),
];

/// What is passed on as it is.
#[derive(Args)]
pub struct Passed {
    /// Options of the program's command
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Passed {
    /// Runs the program's command for a command of `cargo xtask`, with these options.
    pub fn run(&self, command: &[&str]) -> Result<()> {
        self.run_with(command, &[])
    }

    /// The same with more options of ours.
    pub fn run_with(&self, command: &[&str], more: &[String]) -> Result<()> {
        let passed = PASSED_ON.iter().find(|(ours, _)| *ours == command);
        let (_, command) = passed.with_context(|| format!("{command:?} is no command of the program"))?;
        // Compiling takes minutes: cargo says what it does.
        let run = RUN.into_iter().filter(|word| *word != "--quiet").chain(["--"]).chain(command.iter().copied());
        cargo(&run.collect::<Vec<_>>(), &[more, &self.arguments].concat())
    }
}

/// The help text of a command of the program.
pub fn help(command: &[&str]) -> Result<String> {
    output(cargo_command().args(RUN).arg("--").args(command).arg("--help"))
}
