//! The committed baseline: read, and made anew with a reason.

use std::collections::BTreeMap;
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
    let mut values: BTreeMap<_, _> = kept.into_iter().filter(|(name, _)| !ran(name)).collect();
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
    let text = format!("{HEADER}{}", to_toml(&baseline)?);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    write_atomically(path, text.as_bytes())?;
    Ok(())
}

/// A line a figure, also where TOML's own writer would make three tables of it.
fn to_toml(baseline: &Baseline) -> Result<String> {
    let mut text =
        toml::to_string(&Baseline { metrics: BTreeMap::new(), ..baseline.clone() })?.replace("\n[metrics]\n", "");
    text.push_str("\n[metrics]\n");
    for (name, metric) in &baseline.metrics {
        text.push_str(&format!("{} = {}\n", toml::Value::from(name.as_str()), toml::Value::try_from(metric)?));
    }
    Ok(text)
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
        "accuracy" if starts("accuracy.dice") => metric("", Higher, exact, Some(Absolute(0.005))),
        "accuracy" if starts("accuracy.hd95_vox") => metric("voxels", Lower, exact, Some(Percent(10.0))),
        "accuracy" if starts("accuracy.loss") => metric("", Lower, exact, Some(Percent(1.0))),
        "accuracy" => metric("", Same, exact, Some(Absolute(0.01))),
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

#[cfg(test)]
mod tests {
    use fastersam_records::regression::{Machine, Value};

    use super::*;

    fn run(values: &[(&str, f64)]) -> RegressionRecord {
        let machine = Machine { kind: "x86_64-avx2".into(), cpu: "one".into(), threads: 2 };
        let values = values.iter().map(|&(name, value)| (name.to_owned(), Value::Number(value))).collect();
        RegressionRecord { commit: "c".into(), date: "d".into(), machine, values, skipped: Vec::new() }
    }

    #[test]
    fn a_baseline_is_made_anew_a_part_at_a_time_and_keeps_its_reasons_and_edited_tolerances() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("new/baseline.toml");
        let first = run(&[("macs.a", 1.0), ("macs.b", 2.0), ("speed.half \"x\"", 3.0)]);
        assert!(update(&path, read(&path)?, &first, " ").is_err(), "no reason");
        update(&path, read(&path)?, &first, "first")?;
        let edited = std::fs::read_to_string(&path)?.replace("percent = 30.0", "percent = 31.0");
        std::fs::write(&path, edited)?;
        update(&path, read(&path)?, &run(&[("macs.a", 1.5)]), "b is gone")?;
        let found = read(&path)?;
        let values = &found.machines["x86_64-avx2"].values;
        assert_eq!(values.keys().collect::<Vec<_>>(), ["macs.a", "speed.half \"x\""]);
        assert_eq!(values["macs.a"], Value::Number(1.5));
        assert_eq!(found.metrics["speed.half \"x\""].within, Tolerance::Percent(31.0));
        let reasons: Vec<&str> = found.changes.iter().map(|change| change.reason.as_str()).collect();
        assert_eq!(reasons, ["first", "b is gone"]);
        assert!(std::fs::read_to_string(&path)?.starts_with("# What"));
        Ok(())
    }

    #[test]
    fn what_is_no_baseline_is_not_replaced() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("baseline.toml");
        std::fs::write(&path, "[metrics.a]\nbetter = \"maybe\"\n")?;
        let message = read(&path).err().map(|error| format!("{error:#}")).unwrap_or_default();
        assert!(message.contains("baseline.toml") && message.contains("maybe"), "{message}");
        Ok(())
    }
}
