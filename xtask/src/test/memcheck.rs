//! `cargo xtask test --memcheck`: the kernels' tests of small shapes under valgrind.

use std::process::Command;

use anyhow::{Context, Result, bail};

use super::programs;
use crate::workspace::{output, run};

/// The module with the tests: under valgrind they take fifty times as long.
const MODULE: &str = "small::";

/// Runs them. Valgrind knows no AVX-512: the AVX2 path is watched.
pub fn run_small() -> Result<()> {
    let programs = programs::build(&["--test", "it"])?;
    let kernels = programs.iter().find(|program| program.is_of("kernels"));
    let kernels = &kernels.context("cargo built no test `it` of crates/kernels")?.path;
    let listed = output(Command::new(kernels).args([MODULE, "--list", "--format", "terse"]))?;
    if !listed.lines().any(|line| line.ends_with(": test")) {
        bail!("the tests of crates/kernels have no module `{}`", MODULE.trim_end_matches(':'));
    }
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["-q", "--error-exitcode=1", "--leak-check=no"]).arg(kernels).args([
        MODULE,
        "--test-threads",
        "1",
    ]);
    run(valgrind.env("FASTERSAM_SIMD", "avx2")).context("valgrind has to be installed for this")
}
