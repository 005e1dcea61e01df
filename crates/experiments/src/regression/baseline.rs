//! The committed baseline: read, and made anew with a reason.

use std::path::Path;

use anyhow::{Context, Result, bail};
use fastersam_files::{read_text, write_atomically};
use fastersam_records::regression::{
    Baseline, Better, MachineBaseline, Metric, Reason, RegressionRecord, Tolerance, part,
};

/// A baseline has some tens of KiB.
const MAX_BYTES: u64 = 4 << 20;

const HEADER: &str = "\
# What `cargo xtask regress` holds its figures against. Tolerances may be edited by hand; figures are made anew by
# `cargo xtask regress --update --reason \"...\"`, a kind of machine at a time.
#
# within: on the processor that the figures were measured on. across: on any other; without it, a figure says nothing there.

";

/// Reads a baseline; an empty one where there is no file.
///
/// # Errors
/// Where the file can't be read or is no baseline.
pub fn read(path: &Path) -> Result<Baseline> {
    if !path.exists() {
        return Ok(Baseline::default());
    }
    toml::from_str(&read_text(path, MAX_BYTES)?).with_context(|| format!("{} is no baseline", path.display()))
}

/// Puts a run's figures into the baseline of its kind of machine, and the reason beside it. Figures of parts that did not run
/// stay; those that a part no longer gives go.
///
/// # Errors
/// Where no reason is given or the file can't be written.
pub fn update(path: &Path, mut baseline: Baseline, record: &RegressionRecord, reason: &str) -> Result<()> {
    if reason.trim().is_empty() {
        bail!("a baseline is made anew with a reason: --reason \"...\"");
    }
    let ran = |name: &str| record.values.keys().any(|value| part(value) == part(name));
    let own = baseline.machines.remove(&record.machine.kind);
    let is_like = own.as_ref().is_some_and(|own| {
        (own.cpu.as_str(), own.threads) == (record.machine.cpu.as_str(), record.machine.threads)
    });
    let kept = own.filter(|_| is_like).map(|own| own.values).unwrap_or_default();
    let mut values: std::collections::BTreeMap<_, _> = kept.into_iter().filter(|(name, _)| !ran(name)).collect();
    values.extend(record.values.clone());
    for name in values.keys() {
        baseline.metrics.entry(name.clone()).or_insert_with(|| usual(name));
    }
    let machine = record.machine.clone();
    baseline
        .machines
        .insert(machine.kind.clone(), MachineBaseline { cpu: machine.cpu, threads: machine.threads, values });
    let is_used = |name: &String| baseline.machines.values().any(|machine| machine.values.contains_key(name));
    baseline.metrics =
        std::mem::take(&mut baseline.metrics).into_iter().filter(|(name, _)| is_used(name)).collect();
    baseline.changes.push(Reason {
        date: record.date.clone(),
        commit: record.commit.clone(),
        machine: machine.kind,
        reason: reason.trim().to_owned(),
    });
    let text = format!("{HEADER}{}", toml::to_string(&baseline)?);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    write_atomically(path, text.as_bytes())?;
    Ok(())
}

/// The tolerance that a figure's nature asks for, until somebody edits it.
fn usual(name: &str) -> Metric {
    use Better::{Higher, Lower, Same};
    use Tolerance::{Absolute, Percent};
    let metric = |unit: &str, better, within, across| Metric { unit: unit.to_owned(), better, within, across };
    let exact = Absolute(0.0);
    let starts = |start: &str| name.starts_with(start);
    match part(name) {
        // Same weights, same sums, same bits; another processor sums in another order, and training spreads that.
        "accuracy" if starts("accuracy.dice") => metric("", Higher, exact, Some(Absolute(0.03))),
        "accuracy" if starts("accuracy.hd95_vox") => metric("voxels", Lower, exact, Some(Percent(50.0))),
        "accuracy" if starts("accuracy.loss") => metric("", Lower, exact, Some(Percent(10.0))),
        "accuracy" => metric("", Same, exact, Some(Absolute(0.05))),
        "logits" => metric("", Same, exact, None),
        "macs" => metric("GMACs", Lower, Percent(1e-6), Some(Percent(1e-6))),
        "instructions" => metric("", Lower, Percent(2.0), Some(Percent(5.0))),
        "speed" if starts("speed.counted_gmacs") => metric("GMACs", Lower, Percent(1e-6), Some(Percent(1e-6))),
        "speed" if starts("speed.share_of_peak") => metric("", Higher, Percent(30.0), None),
        "speed" => metric("times", Higher, Percent(30.0), Some(Percent(60.0))),
        "memory" => metric("times", Lower, Percent(15.0), Some(Percent(40.0))),
        "program" if starts("program.size_mib") => metric("MiB", Lower, Percent(5.0), Some(Percent(15.0))),
        "program" => metric("", Lower, exact, Some(exact)),
        "compile" => metric("s", Lower, Percent(40.0), None),
        _ => metric("", Same, exact, None),
    }
}
