//! Development commands: `cargo xtask <command>`. Thin: everything heavy is in the crates.
#![forbid(unsafe_code)]

mod program;
mod test;

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::Parser;

/// Development commands of FasterSAM.
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask")]
enum Xtask {
    /// Run all tests
    Test(test::Test),
    /// Train, score and time a suite of experiments and write its report: --suite smoke|cpu-quick, --only ID,
    /// --data DIR, --resume, ... (`--help` for all)
    #[command(disable_help_flag = true)]
    Reproduce(program::Passed),
    /// Time encoder and model, alone or (`--peer PYTHON`) beside PyTorch (`--help` for its options)
    #[command(disable_help_flag = true)]
    Bench(program::Passed),
    /// Import, check and describe data sets, write phantoms (`--help` for its options)
    #[command(disable_help_flag = true)]
    Data(program::Passed),
    /// Look at files with pre-trained weights
    #[command(subcommand)]
    Weights(Weights),
}

#[derive(clap::Subcommand)]
enum Weights {
    /// Say what a file is and whether it fits a model (`--help` for its options)
    #[command(disable_help_flag = true)]
    Inspect(program::Passed),
    /// The same, and fail where keys are missing or unknown
    #[command(disable_help_flag = true)]
    Check(program::Passed),
}

fn main() -> ExitCode {
    match run(Xtask::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[allow(clippy::print_stderr)]
            {
                eprintln!("error: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(command: Xtask) -> Result<()> {
    match command {
        Xtask::Test(test) => test.run(),
        Xtask::Reproduce(passed) => passed.run(&["reproduce"]),
        Xtask::Bench(passed) => passed.run(&["bench"]),
        Xtask::Data(passed) => passed.run(&["data"]),
        Xtask::Weights(Weights::Inspect(passed)) => passed.run(&["inspect"]),
        Xtask::Weights(Weights::Check(passed)) => passed.run(&["inspect", "--check"]),
    }
}

/// Runs cargo at the root of the workspace.
fn cargo(arguments: &[&str], more: &[String]) -> Result<()> {
    let status = cargo_command().args(arguments).args(more).status().context("cargo can't be started")?;
    if !status.success() {
        bail!("cargo {} failed", arguments.join(" "));
    }
    Ok(())
}

fn cargo_command() -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    command
}
