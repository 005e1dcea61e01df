//! Tests that lack data: they report themselves to a file, and the list is printed at the end.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

/// Read by `fastersam_golden::skip`.
const VARIABLE: &str = "FASTERSAM_SKIPPED";

/// Where tests report themselves to.
pub struct Collected {
    path: PathBuf,
}

impl Collected {
    /// Lets the tests that a command runs report themselves.
    pub fn collect<'a>(&self, tests: &'a mut Command) -> &'a mut Command {
        tests.env(VARIABLE, &self.path)
    }

    fn list(&self) -> String {
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        let tests: BTreeSet<&str> = text.lines().collect();
        if tests.is_empty() {
            return String::new();
        }
        let lines: String = tests.iter().map(|test| format!("    {test}\n")).collect();
        format!("{} skipped for lack of data:\n{lines}", tests.len())
    }
}

impl Drop for Collected {
    fn drop(&mut self) {
        // Without a skipped test there is no file.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Runs tests and prints which were skipped, whether or not others failed.
pub fn reported(tests: impl FnOnce(&Collected) -> Result<()>) -> Result<()> {
    let collected =
        Collected { path: std::env::temp_dir().join(format!("fastersam-skipped-{}", std::process::id())) };
    let result = tests(&collected);
    #[allow(clippy::print_stdout)]
    {
        print!("{}", collected.list());
    }
    result
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_skipped_test_is_listed_once() {
        let collected =
            Collected { path: std::env::temp_dir().join(format!("fastersam-list-{}", std::process::id())) };
        assert_eq!(collected.list(), "");
        std::fs::write(&collected.path, "b: needs x\na: needs y\nb: needs x\n").unwrap();
        assert_eq!(collected.list(), "2 skipped for lack of data:\n    a: needs y\n    b: needs x\n");
    }
}
