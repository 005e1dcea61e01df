//! `fastersam reproduce --on slurm`

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use fastersam_experiments::config::{Experiment, Suite};
use fastersam_experiments::provenance::Origin;
use fastersam_experiments::suite::cells::{self, Cell};
use fastersam_experiments::suite::slurm::{Cluster, LOGS, array_script, report_script};
use fastersam_files::read_text;

use super::count;
use super::reproduce::ReproduceArgs;
use crate::output::print;

/// Who runs the jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scheduler {
    /// Slurm's `sbatch`.
    Slurm,
}

/// A table of some lines.
const MAX_BYTES: u64 = 1 << 20;

/// Submits the cells that are open as one job array and the report after it, or prints the scripts.
///
/// # Errors
/// Where a cell holds another configuration's results, a file can't be read or written, or `sbatch` fails.
pub fn on_cluster(
    suite: &Suite,
    name: &str,
    folder: &Path,
    experiments: &[Experiment],
    arguments: &ReproduceArgs,
    origin: &Origin,
) -> Result<()> {
    let cluster = match &arguments.cluster {
        Some(path) => {
            toml::from_str(&read_text(path, MAX_BYTES)?).with_context(|| format!("in {}", path.display()))?
        }
        None => suite.cluster.clone(),
    };
    let folder = std::path::absolute(folder)?;
    let cells = cells::cells(&folder, experiments)?;
    if let Some(other) = cells.iter().find(|cell| cell.state == cells::State::Other) {
        bail!("{} in {} holds the results of another configuration", other.id, folder.display());
    }
    let open: Vec<usize> = cells.iter().filter(|cell| cell.is_open()).map(|cell: &Cell| cell.index).collect();
    if open.is_empty() {
        return print(&format!("nothing to submit: {} done or running", count(cells.len(), "cell")));
    }
    let program = std::env::current_exe()?.display().to_string();
    let words = reproduce_words(&program, &folder, arguments, &cluster, origin)?;
    let job = format!("fastersam-{name}");
    let array = array_script(&job, &cluster, &folder, &open, &words);
    let report = report_script(&job, &cluster, &folder, &[program, "report".into(), folder.display().to_string()]);
    if arguments.dry_run {
        return print(&format!("{array}\n{report}"));
    }
    std::fs::create_dir_all(folder.join(LOGS))?;
    let id = submit(&array, &[])?;
    let report_id = submit(&report, &[format!("--dependency=afterany:{id}")])?;
    print(&format!("job {id}: {}; report: job {report_id}", count(open.len(), "cell")))
}

/// The command of a cell, but for its number. Paths are absolute: a job starts elsewhere.
fn reproduce_words(
    program: &str,
    folder: &Path,
    arguments: &ReproduceArgs,
    cluster: &Cluster,
    origin: &Origin,
) -> Result<Vec<String>> {
    let absolute = |path: &Path| std::path::absolute(path).map(|path: PathBuf| path.display().to_string());
    let is_file = Path::new(&arguments.suite).extension().is_some_and(|extension| extension == "toml");
    let suite = if is_file { absolute(Path::new(&arguments.suite))? } else { arguments.suite.clone() };
    let mut words = vec![program.to_owned(), "reproduce".into(), "--suite".into(), suite];
    words.extend(["--output".into(), folder.display().to_string()]);
    // The suites of a checkout go before those that are built in, in whatever folder the job starts.
    let here = Path::new("configs");
    let configs = arguments.configs.clone().or_else(|| (!is_file && here.is_dir()).then(|| here.to_owned()));
    for (option, path) in [("--configs", &configs), ("--data", &arguments.data), ("--weights", &arguments.weights)]
    {
        if let Some(path) = path {
            words.extend([option.to_owned(), absolute(path)?]);
        }
    }
    for value in &arguments.overrides {
        words.extend(["--set".to_owned(), value.clone()]);
    }
    if let Some(seed) = arguments.seed {
        words.extend(["--seed".to_owned(), seed.to_string()]);
    }
    let device = origin.device.split(' ').next().unwrap_or_default();
    words.extend(["--device".to_owned(), device.to_owned()]);
    if cluster.cpus > 0 {
        words.extend(["--threads".to_owned(), cluster.cpus.to_string()]);
    }
    Ok(words)
}

/// Hands a script to `sbatch`; gives the job's number.
fn submit(script: &str, options: &[String]) -> Result<String> {
    let mut command = Command::new("sbatch");
    command.arg("--parsable").args(options).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("sbatch can't be started: is Slurm installed here?")?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(script.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("sbatch: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    // On a federation: number;cluster.
    Ok(printed.trim().split(';').next().unwrap_or_default().to_owned())
}
