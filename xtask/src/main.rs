//! Development commands: `cargo xtask <command>`. Thin: everything heavy is in the crates.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::Parser;

/// Development commands of FasterSAM.
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask")]
enum Xtask {
    /// Run all tests
    Test {
        /// Passed to cargo nextest
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Train, score and time a suite of experiments and write its report (`--help` for its options)
    #[command(disable_help_flag = true)]
    Reproduce {
        /// Passed to `fastersam reproduce`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Time encoder and model, alone or (`--peer PYTHON`) beside PyTorch (`--help` for its options)
    #[command(disable_help_flag = true)]
    Bench {
        /// Passed to `fastersam bench`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Import, check and describe data sets, write phantoms (`--help` for its options)
    #[command(disable_help_flag = true)]
    Data {
        /// Passed to `fastersam data`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
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
        Xtask::Test { arguments } => {
            cargo(&["nextest", "run", "--release", "--workspace"], &arguments)?;
            // nextest runs no documentation tests: the examples of the READMEs.
            cargo(&["test", "--doc", "--release", "--workspace"], &[])
        }
        Xtask::Reproduce { arguments } => program("reproduce", &arguments),
        Xtask::Bench { arguments } => program("bench", &arguments),
        Xtask::Data { arguments } => program("data", &arguments),
    }
}

/// Runs a command of the program `fastersam`.
fn program(command: &str, arguments: &[String]) -> Result<()> {
    let run = ["run", "--release", "--package", "fastersam-experiments", "--bin", "fastersam"];
    cargo(&[&run[..], &["--", command]].concat(), arguments)
}

/// Runs cargo at the root of the workspace.
fn cargo(arguments: &[&str], more: &[String]) -> Result<()> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let status = Command::new(env!("CARGO"))
        .args(arguments)
        .args(more)
        .current_dir(root)
        .status()
        .context("cargo can't be started")?;
    if !status.success() {
        bail!("cargo {} failed", arguments.join(" "));
    }
    Ok(())
}
