//! The built program, run as a user runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace::{cargo, root};

/// The program.
#[derive(Debug)]
pub struct Product {
    binary: PathBuf,
}

/// A run that has ended.
#[derive(Debug)]
pub struct Run {
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it said.
    pub stderr: String,
}

impl Product {
    /// The file that was named, or the workspace's own program, compiled if need be.
    pub fn new(given: Option<&Path>) -> Result<Self> {
        if let Some(program) = given {
            let binary = std::path::absolute(program).with_context(|| program.display().to_string())?;
            return Ok(Self { binary });
        }
        cargo(&["build", "--release", "--package", "fastersam-cli"], &[])?;
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
        Ok(Self { binary: target.join("release").join(format!("fastersam{}", std::env::consts::EXE_SUFFIX)) })
    }

    /// Where it lies.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Runs it in a folder to its end.
    pub fn run(&self, folder: &Path, arguments: &[&str]) -> Result<Run> {
        let mut command = Command::new(&self.binary);
        command.current_dir(folder).args(arguments).stdin(Stdio::null());
        let output = command.output().with_context(|| self.binary.display().to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Run { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) })
    }

    /// Runs it, and gives what it printed; it has to succeed.
    pub fn must(&self, folder: &Path, arguments: &[&str]) -> Result<Run> {
        let run = self.run(folder, arguments)?;
        if run.code != Some(0) {
            bail!("fastersam {} failed: {}", arguments.join(" "), run.stderr.trim());
        }
        Ok(run)
    }
}

/// How far it is.
#[allow(clippy::print_stderr)]
pub fn say(line: &str) {
    eprintln!("{line}");
}

/// A line of the result.
#[allow(clippy::print_stdout, reason = "the result of the command")]
pub fn print(line: &str) {
    println!("{line}");
}

/// A folder for one run, which is removed at its end.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new folder.
    pub fn new(name: &str) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("fastersam-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        Ok(Self(folder))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
