//! What the program says of itself in every record: the commit that it is built from, and the version of burn.
//!
//! Git is asked when the program is built, and only about the checkout that its sources lie in; a program that is
//! installed goes on saying what it was built from.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let package = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let commit = checkout(&package).or_else(|| published(&package)).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=FASTERSAM_COMMIT={commit}");
    let burn = burn_version(&package).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=FASTERSAM_BURN_VERSION={burn}");
}

/// The commit of the project's own checkout, with `-dirty` where tracked files differ from it.
fn checkout(package: &Path) -> Option<String> {
    let root = package.parent()?.parent()?;
    // The checkout must be this project's, not one that its sources happen to be unpacked in.
    if !root.join("crates/cli/build.rs").is_file() || !root.join(".git").exists() {
        return None;
    }
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    };
    let commit = git(&["rev-parse", "HEAD"])?;
    let is_clean = git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    // Asked again whenever a source or the commit is another.
    for name in ["crates", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(name).display());
    }
    for name in ["HEAD", "index", "refs/heads"] {
        if let Some(path) = git(&["rev-parse", "--git-path", name]) {
            println!("cargo::rerun-if-changed={}", root.join(path).display());
        }
    }
    Some(if is_clean { commit } else { format!("{commit}-dirty") })
}

/// The commit that `cargo publish` wrote into the package.
fn published(package: &Path) -> Option<String> {
    let info = fs::read_to_string(package.join(".cargo_vcs_info.json")).ok()?;
    let commit: String = info.split("\"sha1\"").nth(1)?.split('"').nth(1)?.to_owned();
    Some(if info.contains("\"dirty\": true") { format!("{commit}-dirty") } else { commit })
}

/// The version of burn in the lock file that the program is built with.
fn burn_version(package: &Path) -> Option<String> {
    let lock = package.ancestors().map(|folder| folder.join("Cargo.lock")).find(|lock| lock.is_file())?;
    println!("cargo::rerun-if-changed={}", lock.display());
    let text = fs::read_to_string(lock).ok()?;
    let mut lines = text.lines().skip_while(|line| *line != "name = \"burn\"");
    let version = lines.nth(1)?.strip_prefix("version = \"")?.strip_suffix('"')?;
    Some(version.to_owned())
}
