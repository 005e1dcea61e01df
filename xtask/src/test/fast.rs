//! `cargo xtask test --fast` and `--checked`: the tests that take seconds, the latter with debug assertions and overflow
//! checks.

use std::process::Command;

use anyhow::Result;

use super::programs;
use super::skipped::Collected;
use crate::workspace::run;

/// Settings of the profile for the checks. Crates from elsewhere keep theirs, so that what is compiled of them serves.
const CHECKS: [&str; 4] = [
    "profile.release.debug-assertions=true",
    "profile.release.overflow-checks=true",
    "profile.release.package.\"*\".debug-assertions=false",
    "profile.release.package.\"*\".overflow-checks=false",
];

/// Crates whose tests train models or run the program: they take minutes.
const SLOW: [&str; 4] = ["fastersam", "experiments", "bench", "cli"];

/// Runs them, with or without the checks.
pub fn run_fast(collected: &Collected, checked: bool) -> Result<()> {
    let checks = CHECKS.iter().filter(|_| checked).flat_map(|setting| ["--config", setting]);
    for program in programs::build(&checks.collect::<Vec<_>>())? {
        if !SLOW.iter().any(|folder| program.is_of(folder)) {
            #[allow(clippy::print_stdout)]
            {
                println!("{} ({})", program.folder.file_name().unwrap_or_default().display(), program.kind);
            }
            let mut tests = Command::new(&program.path);
            run(collected.collect(tests.arg("--quiet").current_dir(&program.folder)))?;
        }
    }
    Ok(())
}
