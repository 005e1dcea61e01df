//! `cargo xtask test --checked`: tests with debug assertions and overflow checks.

use anyhow::Result;

use super::skipped::Collected;
use super::tests;
use crate::workspace::run;

/// Settings of the profile. Crates from elsewhere keep theirs, so that what is compiled of them serves.
const CONFIG: [&str; 4] = [
    "profile.release.debug-assertions=true",
    "profile.release.overflow-checks=true",
    "profile.release.package.\"*\".debug-assertions=false",
    "profile.release.package.\"*\".overflow-checks=false",
];

/// Crates whose tests train models or build the program: they take minutes.
const SLOW: [&str; 4] = ["fastersam", "fastersam-experiments", "fastersam-bench", "fastersam-cli"];

/// Runs them.
pub fn run_all(collected: &Collected) -> Result<()> {
    let mut tests = tests();
    tests.args(["--release", "--workspace"]);
    tests.args(SLOW.iter().flat_map(|package| ["--exclude", package]));
    tests.args(CONFIG.iter().flat_map(|setting| ["--config", setting]));
    run(collected.collect(&mut tests))
}
