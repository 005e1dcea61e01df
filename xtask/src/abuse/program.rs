//! Runs of the program that is tried: with a limit of time, and its peak memory noted.

use std::cell::Cell;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Longer takes no command on these small files.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// More memory takes none.
const MEMORY_LIMIT_MIB: f64 = 2048.0;
/// How often a run is looked at.
const POLL: Duration = Duration::from_millis(3);

/// The program, and the worst that its runs did since the last [`forget`](Self::forget).
#[derive(Debug)]
pub struct Program {
    binary: PathBuf,
    peak_mib: Cell<f64>,
    slowest_s: Cell<f64>,
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
    /// Most memory that it had.
    pub peak_mib: f64,
    /// Whether it was ended because it took too long.
    pub timed_out: bool,
}

impl Run {
    /// Whether it says that all went well.
    pub fn succeeded(&self) -> bool {
        self.code == Some(0)
    }

    /// What no input may lead to: a panic, a signal, an unknown exit code, too much time or memory.
    pub fn crash(&self) -> Option<String> {
        let last = || self.stderr.lines().rev().take(4).collect::<Vec<_>>().join(" | ");
        if self.timed_out {
            Some(format!("it did not end within {} s", TIME_LIMIT.as_secs()))
        } else if self.stderr.contains("panicked") {
            Some(format!("it panicked: {}", last()))
        } else if !matches!(self.code, Some(0..=2)) {
            Some(format!("it ended with code {:?}: {}", self.code, last()))
        } else if self.peak_mib > MEMORY_LIMIT_MIB {
            Some(format!("it took {:.0} MiB", self.peak_mib))
        } else {
            None
        }
    }
}

impl Program {
    /// Of this file.
    pub fn new(binary: &Path) -> Self {
        Self { binary: binary.to_owned(), peak_mib: Cell::new(0.0), slowest_s: Cell::new(0.0) }
    }

    /// Where it lies.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Begins to note the worst anew.
    pub fn forget(&self) {
        self.peak_mib.set(0.0);
        self.slowest_s.set(0.0);
    }

    /// Peak memory and time of the worst runs.
    pub fn worst(&self) -> (f64, f64) {
        (self.peak_mib.get(), self.slowest_s.get())
    }

    /// The program in a folder, with arguments.
    pub fn command(&self, folder: &Path, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Command {
        let mut command = Command::new(&self.binary);
        command.current_dir(folder).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, folder: &Path, arguments: &[&str]) -> Result<Run> {
        self.finish(self.command(folder, arguments), folder)
    }

    /// Runs a command of it to its end. What it prints goes into files of the folder, so that no pipe can fill up.
    pub fn finish(&self, mut command: Command, folder: &Path) -> Result<Run> {
        let place = |name: &str| folder.join(format!(".{name}"));
        let file = |name: &str| File::create(place(name)).with_context(|| place(name).display().to_string());
        command.stdout(file("stdout")?).stderr(file("stderr")?);
        let child = command.spawn().with_context(|| format!("{command:?} can't be started"))?;
        let mut run = self.watch(child)?;
        let text =
            |name: &str| std::fs::read(place(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        (run.stdout, run.stderr) = (text("stdout")?, text("stderr")?);
        for name in ["stdout", "stderr"] {
            std::fs::remove_file(place(name))?;
        }
        Ok(run)
    }

    /// Waits for the end of a run that was started elsewhere; its output is not known.
    pub fn watch(&self, mut child: Child) -> Result<Run> {
        let started = Instant::now();
        let (mut peak_mib, mut timed_out) = (0.0_f64, false);
        let status = loop {
            peak_mib = peak_mib.max(peak_mib_of(child.id()));
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if started.elapsed() > TIME_LIMIT {
                timed_out = true;
                child.kill()?;
                break child.wait()?;
            }
            std::thread::sleep(POLL);
        };
        self.peak_mib.set(self.peak_mib.get().max(peak_mib));
        self.slowest_s.set(self.slowest_s.get().max(started.elapsed().as_secs_f64()));
        Ok(Run { code: status.code(), stdout: String::new(), stderr: String::new(), peak_mib, timed_out })
    }

    /// Starts it and kills it after some time, unless it has ended by then; says whether it had to be killed.
    pub fn kill_after(&self, folder: &Path, arguments: &[&str], time: Duration) -> Result<bool> {
        let mut child = self.command(folder, arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let started = Instant::now();
        while started.elapsed() < time {
            if child.try_wait()?.is_some() {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill()?;
        child.wait()?;
        Ok(true)
    }
}

/// The most memory that a process has had so far; 0 where the system does not say it.
fn peak_mib_of(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.split_whitespace().next()?.parse::<f64>().ok()).map_or(0.0, |kib| kib / 1024.0)
}

/// The SHA-256 of bytes, by the system's own program.
pub fn sha256(bytes: &[u8]) -> Result<String> {
    let mut child =
        Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("sha256sum")?;
    child.stdin.take().context("sha256sum")?.write_all(bytes)?;
    let output = String::from_utf8(child.wait_with_output()?.stdout)?;
    Ok(output.split_whitespace().next().unwrap_or_default().to_owned())
}
