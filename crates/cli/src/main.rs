//! The `fastersam` program; see `fastersam --help`.

mod cli;
mod commands;
mod output;

use std::process::ExitCode;

use clap::Parser;
use fastersam_progress::say;

use crate::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format!("error: {error:#}").trim_end());
            ExitCode::FAILURE
        }
    }
}
