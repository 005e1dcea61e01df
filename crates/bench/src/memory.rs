//! Peak memory, each row in a process of its own.

use anyhow::{Result, bail};
use burn::tensor::Device;

use super::Options;
use super::ours::{Models, Runner};
use super::peer::Peer;
use super::workload::{self, Workload};
use crate::machine::{peak_memory_mib, reset_peak_memory};
use fastersam_progress as progress;
use fastersam_records::BenchRow;

/// Measures the peak of every row.
pub fn measure(workloads: &[Workload], rows: &mut [BenchRow], options: &Options, threads: usize) -> Result<()> {
    let bar = progress::bar("memory", rows.len(), "rows");
    for (workload, row) in workloads.iter().zip(rows) {
        bar.set_message(row.id.clone());
        row.peak_memory_mib = match (workload.program, &options.peer) {
            (program, Some(python)) if program.is_peer() => {
                let mut peer = Peer::start(python, threads, &Device::default())?;
                peer.load(workload)?;
                peer.peak_memory_mib(&row.id)?
            }
            _ => of_child(&row.id, threads)?,
        };
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Starts this program once more, for one row.
fn of_child(id: &str, threads: usize) -> Result<Option<f64>> {
    let output = std::process::Command::new(std::env::current_exe()?)
        .args(["bench", "--memory-of", id, "--threads", &threads.to_string()])
        .stderr(std::process::Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("the memory of {id} could not be measured");
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse().ok())
}

/// Peak memory of one pass of a row after loading, MiB: run in a process of its own.
///
/// # Errors
/// Where there is no such row.
pub fn memory_of(id: &str, device: &Device) -> Result<Option<f64>> {
    let Some(workload) = workload::all(&[], &[]).into_iter().find(|workload| workload.id() == id) else {
        bail!("there is no row {id}");
    };
    let mut runner = Runner::new(&workload, &mut Models::default(), device)?;
    reset_peak_memory();
    runner.pass()?;
    Ok(peak_memory_mib())
}
