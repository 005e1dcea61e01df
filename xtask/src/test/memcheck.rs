//! `cargo xtask test --memcheck`: the kernels' tests of small shapes under valgrind.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::workspace::{cargo_command, output, run};

const PACKAGE: &str = "fastersam-kernels";
/// The module with the tests: valgrind takes fifty times as long.
const MODULE: &str = "small::";

/// Runs them. Valgrind knows no AVX-512: the AVX2 path is watched.
pub fn run_small() -> Result<()> {
    let build =
        ["test", "--release", "--no-run", "--message-format", "json", "--package", PACKAGE, "--test", "it"];
    let messages = output(cargo_command().args(build))?;
    let program = test_program(&messages).with_context(|| format!("cargo built no test `it` of {PACKAGE}"))?;
    let listed = output(Command::new(&program).args([MODULE, "--list", "--format", "terse"]))?;
    let n_tests = listed.lines().filter(|line| line.ends_with(": test")).count();
    if n_tests == 0 {
        bail!("the tests of {PACKAGE} have no module {}", MODULE.trim_end_matches(':'));
    }
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["-q", "--error-exitcode=1", "--leak-check=no"]).arg(program).args([
        MODULE,
        "--test-threads",
        "1",
    ]);
    run(valgrind.env("FASTERSAM_SIMD", "avx2")).context("(valgrind must be installed)")
}

/// The executable of the tests, from cargo's messages.
fn test_program(messages: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut programs = messages.filter(|message| {
        message["reason"] == "compiler-artifact"
            && message["target"]["kind"][0] == "test"
            && message["target"]["name"] == "it"
    });
    programs.find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_program_is_found_among_cargos_messages() {
        let messages = r#"
{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"it"},"executable":null}
{"reason":"compiler-artifact","target":{"kind":["test"],"name":"it"},"executable":"/t/it-1"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(test_program(messages), Some(PathBuf::from("/t/it-1")));
        assert_eq!(test_program("no JSON\n{}"), None);
    }
}
