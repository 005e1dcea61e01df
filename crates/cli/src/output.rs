//! Standard output: the results of commands.

use std::io::Write as _;

use anyhow::{Context, Result};

/// The result of a command, on standard output.
///
/// # Errors
/// It could not be written: the disk is full, or the reader has gone. A caller may take an exit code of 0 for all of the
/// result.
pub fn print(line: &str) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("the result can't be printed")
}
