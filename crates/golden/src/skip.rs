//! Tests that need what is not here: they are reported by name instead of passing in silence.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Names the file that collects the tests that were skipped. `cargo xtask test` sets it and prints the list.
const COLLECTED: &str = "FASTERSAM_SKIPPED";

/// Reports the running test as skipped and says what it needs. The test then has to return.
///
/// # Panics
/// Where the file that `FASTERSAM_SKIPPED` names can't be written.
pub fn skip(needs: &str) {
    report(&test_name(), needs, std::env::var_os(COLLECTED).map(PathBuf::from).as_deref());
}

fn report(test: &str, needs: &str, collected: Option<&Path>) {
    println!("skipped: {test}: needs {needs}");
    let Some(path) = collected else { return };
    let line = format!("{test}: needs {needs}\n");
    // One write: tests of several processes append to the file at the same time.
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened
        .and_then(|mut file| file.write_all(line.as_bytes()))
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

/// The test that runs: cargo-nextest says it, and cargo's own harness names the thread after it.
fn test_name() -> String {
    std::env::var("NEXTEST_TEST_NAME")
        .unwrap_or_else(|_| std::thread::current().name().unwrap_or("unnamed").to_owned())
}

/// A file or folder of real data in the folder that `FASTERSAM_DATA` names. Where it is missing the test is
/// reported as skipped.
#[must_use]
pub fn real_data(name: &str) -> Option<PathBuf> {
    find(name, &[folder("FASTERSAM_DATA")], "the folder that FASTERSAM_DATA names")
}

/// A file with pre-trained weights in the folder that `FASTERSAM_WEIGHTS` names, or in `weights` of the one that
/// `FASTERSAM_DATA` names. Where it is missing the test is reported as skipped.
#[must_use]
pub fn real_weights(name: &str) -> Option<PathBuf> {
    let folders = [folder("FASTERSAM_WEIGHTS"), folder("FASTERSAM_DATA").map(|data| data.join("weights"))];
    find(
        name,
        &folders,
        "the folder that FASTERSAM_WEIGHTS names, or in weights/ of the one that FASTERSAM_DATA names",
    )
}

fn find(name: &str, folders: &[Option<PathBuf>], places: &str) -> Option<PathBuf> {
    let found = folders.iter().flatten().map(|folder| folder.join(name)).find(|path| path.exists());
    if found.is_none() {
        skip(&format!("{name} in {places}"));
    }
    found
}

fn folder(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn skipped_tests_are_collected_by_name() {
        let path = std::env::temp_dir().join(format!("fastersam-skipped-{}", std::process::id()));
        report("one", "a scan", Some(&path));
        report("two", "weights", Some(&path));
        report("three", "nothing is collected", None);
        let collected = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(collected, "one: needs a scan\ntwo: needs weights\n");
        assert!(test_name().ends_with("skipped_tests_are_collected_by_name"), "{}", test_name());
    }

    #[test]
    fn the_first_folder_that_has_the_file_is_taken() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folders = [None, Some(here.join("none")), Some(here.join("src")), Some(here.to_owned())];
        assert_eq!(find("lib.rs", &folders, "").unwrap(), here.join("src").join("lib.rs"));
    }
}
