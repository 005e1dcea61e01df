//! `cargo xtask test --slurm`: a suite on a real Slurm, with cells that are killed, gives what it gives without.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::product::{Product, Scratch, print, say};
use crate::workspace::{output, root, run};

/// Starts Slurm on this machine.
const SCRIPT: &str = ".github/scripts/slurm-on-one-machine.sh";
const CELLS: usize = 40;
/// Every so many seconds a running cell is killed, so often in all.
const KILLS: (u64, usize) = (2, 8);
/// How often the array is submitted, at most, until every cell is done.
const SUBMISSIONS: usize = 6;

const EXPERIMENT: &str = r#"
id = "cell"
title = "A cell of seconds"

[data]
source = "phantom"
family = "heart"
train_cases = 1
calibrate_cases = 1
evaluate_cases = 1

[model]
preset = "tiny"
input_size = 64
pause_points = [0, 2, 4]

[train]
epochs = 2
batch_size = 4
checkpoint_every_steps = 1

[measure]
batch_size = 4
thresholds = [0.5]
dice_tolerance = 1.0
throughput_batch_sizes = []
throughput_runs = 1
baselines = false
"#;

/// Runs it; needs root, and installs Slurm where it is missing.
pub fn check() -> Result<()> {
    let product = Product::new(None)?;
    let scratch = Scratch::new("slurm")?;
    let folder = scratch.path();
    let seeds: Vec<String> = (1..=CELLS).map(|seed| seed.to_string()).collect();
    let suite = format!(
        "title = \"Cells of seconds\"\nexperiments = [\"cell.toml\"]\nseeds = [{}]\n[cluster]\ncpus = 1\nat_most = 2\n",
        seeds.join(", ")
    );
    fs::write(folder.join("cell.toml"), EXPERIMENT)?;
    fs::write(folder.join("cells.toml"), suite)?;
    say("without Slurm: one cell after the other, by number");
    for cell in &(0..CELLS).map(|cell| cell.to_string()).collect::<Vec<_>>() {
        let words = ["reproduce", "--suite", "cells.toml", "--output", "serial", "--threads", "1", "--cell", cell];
        product.must(folder, &words)?;
    }
    let script = root().join(SCRIPT);
    let slurm = folder.join("slurm");
    run(Command::new(&script).arg(&slurm))?;
    let done = on_slurm(&product, folder, &slurm);
    let stopped = run(Command::new(&script).arg(&slurm).arg("stop"));
    done.and(stopped)?;
    let [expected, found] = [results(&folder.join("serial"))?, results(&folder.join("shared"))?];
    let differing: Vec<&String> =
        expected.iter().filter(|(name, result)| found.get(*name) != Some(result)).map(|(name, _)| name).collect();
    if !differing.is_empty() || expected.len() != found.len() {
        bail!("{} results of {} differ: {differing:?}", differing.len(), expected.len());
    }
    print(&format!("{CELLS} cells on Slurm: {} records and models equal those without it", expected.len()));
    Ok(())
}

/// Submits the suite until every cell is done, and kills some on the way.
fn on_slurm(product: &Product, folder: &Path, slurm: &Path) -> Result<()> {
    let conf = slurm.join("slurm.conf");
    let tool =
        |name: &str, arguments: &[&str]| output(Command::new(name).args(arguments).env("SLURM_CONF", &conf));
    let (pause, kills) = KILLS;
    let mut killed = 0;
    for submission in 1..=SUBMISSIONS {
        let mut command = Command::new(product.binary());
        command.current_dir(folder).env("SLURM_CONF", &conf);
        command.args(["reproduce", "--suite", "cells.toml", "--output", "shared", "--on", "slurm"]);
        let submitted = output(&mut command)?;
        say(submitted.trim());
        if submitted.starts_with("nothing") {
            if killed < kills {
                bail!("only {killed} cells were killed: the cells are too short for this test");
            }
            return Ok(());
        }
        loop {
            std::thread::sleep(Duration::from_secs(pause));
            if tool("squeue", &["--noheader"])?.trim().is_empty() {
                break;
            }
            let running = tool("squeue", &["--noheader", "--states=R", "--format=%i"])?;
            let Some(job) = running.lines().find(|job| job.contains('_')).filter(|_| killed < kills) else {
                continue;
            };
            say(&format!("killing {job}, round {submission}"));
            // Half of them get no time to save anything.
            let how: &[&str] = if killed % 2 == 0 { &["--signal=KILL", "--full"] } else { &[] };
            // It may have ended by itself in the meantime.
            killed += usize::from(tool("scancel", &[how, &[job]].concat()).is_ok());
        }
    }
    let status =
        product.must(folder, &["reproduce", "--suite", "cells.toml", "--output", "shared", "--status"])?;
    bail!("not every cell is done after {SUBMISSIONS} submissions:\n{}", status.stdout)
}

/// Every record without what says when it was made, and every model to the byte.
fn results(run: &Path) -> Result<BTreeMap<String, Value>> {
    let mut results = BTreeMap::new();
    for path in files(&run.join("records"))? {
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let mut record: Value = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        record["seal"] = Value::Null;
        record["record"]["provenance"]["date"] = Value::Null;
        for epoch in record["record"]["epochs"].as_array_mut().into_iter().flatten() {
            epoch["slices_per_s"] = Value::Null;
        }
        results.insert(path.file_name().unwrap_or_default().to_string_lossy().into_owned(), record);
    }
    for cell in files(run)?.iter().filter(|path| path.join("checkpoints/latest").exists()) {
        let checkpoints = cell.join("checkpoints");
        let latest = fs::read_to_string(checkpoints.join("latest"))?;
        for name in ["model.bpk", "optimizer.bpk"] {
            let bytes = fs::read(checkpoints.join(latest.trim()).join(name))?;
            let id = cell.file_name().unwrap_or_default().to_string_lossy();
            let mut hasher = DefaultHasher::new();
            bytes.hash(&mut hasher);
            results.insert(format!("{id}/{name}"), hasher.finish().into());
        }
    }
    if results.len() < 3 * CELLS {
        bail!("{} has {} results only", run.display(), results.len());
    }
    Ok(results)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    Ok(entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?)
}
