//! The peers' side of the bench: a child process that runs `peer.py`, asked for one visit at a time.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use fastersam_kernels::are_fused_on;
use serde::Deserialize;
use serde_json::json;

use super::workload::Workload;
use fastersam_records::{BenchScope, PeerVersions, Program};

/// The script; it lies in the repository and is compiled in.
const SCRIPT: &str = include_str!("../peer/peer.py");

/// PyTorch's name for the device that it is compared on.
fn torch_device(device: &Device) -> &'static str {
    if are_fused_on(device) { "cpu" } else { "cuda" }
}

/// A running peer.
pub struct Peer {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    python: String,
    /// What it runs on.
    pub versions: PeerVersions,
    programs: Vec<Program>,
}

impl Peer {
    /// Starts the peer with a Python that has torch and segment-anything.
    ///
    /// # Errors
    /// Where Python or a package is missing; what Python said stands on standard error.
    pub fn start(python: &Path, threads: usize, device: &Device) -> Result<Self> {
        let name = python.display().to_string();
        let mut child = Command::new(python)
            .args(["-c", SCRIPT, "--threads", &threads.to_string(), "--device", torch_device(device)])
            .env("OMP_NUM_THREADS", threads.to_string())
            .env("MKL_NUM_THREADS", threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{name} can't be started"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("{name} has no standard input or output");
        };
        let mut output = BufReader::new(output);
        #[derive(Deserialize)]
        struct Programs {
            programs: Vec<String>,
        }
        let versions = read(&mut output, &name)?;
        let Programs { programs } = read(&mut output, &name)?;
        let programs = Program::PEERS.into_iter().filter(|peer| programs.iter().any(|name| name == peer.name()));
        let programs = programs.collect();
        Ok(Self { child, input: Some(input), output, python: name, versions, programs })
    }

    /// What it can run: where a package is missing, its programs are.
    pub fn programs(&self) -> &[Program] {
        &self.programs
    }

    /// The child process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Builds what a workload needs; gives the number of parameters.
    pub fn load(&mut self, workload: &Workload) -> Result<u64> {
        #[derive(Deserialize)]
        struct Answer {
            parameters: u64,
        }
        let kind = if workload.scope == BenchScope::Training { "training" } else { "encoder" };
        let request = json!({
            "load": kind,
            "program": workload.program.name(),
            "id": workload.id(),
            "input": workload.input,
            "batch": workload.batch,
        });
        Ok(self.ask::<Answer>(&request)?.parameters)
    }

    /// Runs a workload; gives the seconds of each pass.
    pub fn run(&mut self, id: &str, passes: usize) -> Result<Vec<f64>> {
        #[derive(Deserialize)]
        struct Answer {
            seconds: Vec<f64>,
        }
        Ok(self.ask::<Answer>(&json!({ "run": id, "passes": passes }))?.seconds)
    }

    /// Peak memory of the process over one pass, MiB, where the system tells it.
    pub fn peak_memory_mib(&mut self, id: &str) -> Result<Option<f64>> {
        #[derive(Deserialize)]
        struct Answer {
            mib: Option<f64>,
        }
        Ok(self.ask::<Answer>(&json!({ "peak": id }))?.mib)
    }

    fn ask<T: for<'a> Deserialize<'a>>(&mut self, request: &serde_json::Value) -> Result<T> {
        let input = self.input.as_mut().context("the peer was told to stop")?;
        writeln!(input, "{request}").with_context(|| format!("{} has stopped", self.python))?;
        read(&mut self.output, &self.python)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The end of its input ends the script.
        self.input = None;
        let _ = self.child.wait();
    }
}

fn read<T: for<'a> Deserialize<'a>>(output: &mut impl BufRead, name: &str) -> Result<T> {
    let mut line = String::new();
    output.read_line(&mut line).with_context(|| format!("{name} can't be read"))?;
    if line.is_empty() {
        bail!("{name} stopped; does it have torch, torchvision and segment-anything?");
    }
    serde_json::from_str(&line).with_context(|| format!("{name} answered {:?}", line.trim_end()))
}
