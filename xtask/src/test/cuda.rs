//! `cargo xtask test --cuda-check`: that the feature `cuda` compiles.

use anyhow::Result;

use crate::workspace::cargo;

/// A workspace of its own: it replaces a crate that downloads LLVM while it builds.
const MANIFEST: &str = "vendor/cuda-check/Cargo.toml";

/// Checks it.
pub fn check() -> Result<()> {
    cargo(&["check", "--release", "--locked", "--manifest-path", MANIFEST], &[])
}
