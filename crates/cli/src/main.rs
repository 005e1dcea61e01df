//! The `fastersam` program; see `fastersam --help`.
#![forbid(unsafe_code)]

mod cli;
mod commands;
mod hints;
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
            if let Some(hint) = hints::hint(&error) {
                say(&format!("hint: {hint}"));
            }
            ExitCode::FAILURE
        }
    }
}
