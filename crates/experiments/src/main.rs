//! The `fastersam` program; see `fastersam --help`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use fastersam_experiments::cli::Cli;
use fastersam_experiments::progress::say;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format!("error: {error:#}").trim_end());
            ExitCode::FAILURE
        }
    }
}
