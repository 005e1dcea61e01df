//! Tests that lack data: they report themselves to a file, and the list is printed at the end.

use std::collections::{BTreeMap, BTreeSet};
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
        // What each test needs; it may need more than one thing, and have been run more than once.
        let mut tests: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (test, needs) in text.lines().filter_map(|line| line.split_once(": needs ")) {
            tests.entry(test).or_default().insert(needs);
        }
        let n = tests.len();
        let mut list = match n {
            0 => String::new(),
            1 => "1 test was skipped, or a part of it, for lack of data:\n".to_owned(),
            _ => format!("{n} tests were skipped, or a part of them, for lack of data:\n"),
        };
        for (test, needs) in tests {
            list += &format!("    {test}\n");
            for needed in needs {
                list += &format!("        needs {needed}\n");
            }
        }
        list
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
        std::fs::write(&collected.path, "b: needs x\na: needs y\nb: needs x\na: needs z\n").unwrap();
        let expected = "2 tests were skipped, or a part of them, for lack of data:\n    a\n        needs y\n        \
            needs z\n    b\n        needs x\n";
        assert_eq!(collected.list(), expected);
    }
}
