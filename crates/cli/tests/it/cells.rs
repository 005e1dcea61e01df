//! Cells of a suite: one at a time by number, what is said of each, and the scripts of a job array.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::program::{TRAINING, stderr, stdout};

const SUITE: &str = r#"
title = "Cells"
experiments = ["cell.toml"]
seeds = [1, 2]

[cluster]
time = "00:10:00"
at_most = 1
"#;

fn reproduce(folder: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fastersam"));
    command.current_dir(folder).args(["reproduce", "--suite", "cells.toml", "-o", "run"]);
    for value in ["train.epochs=1", "data.train_cases=1", "measure.baselines=false"] {
        command.args(["--set", value]);
    }
    command.args(more).output().unwrap()
}

/// The state of each cell.
fn states(folder: &Path) -> Vec<String> {
    let printed = stdout(&reproduce(folder, &["--status", "--json"]));
    let cells: serde_json::Value = serde_json::from_str(&printed).unwrap();
    cells.as_array().unwrap().iter().map(|cell| cell["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn cells_run_by_number_are_told_apart_and_only_open_ones_are_submitted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("cells.toml"), SUITE).unwrap();
    fs::write(folder.join("cell.toml"), TRAINING).unwrap();
    assert_eq!(states(folder), ["missing", "missing"]);
    stdout(&reproduce(folder, &["--cell", "1"]));
    assert_eq!(states(folder), ["missing", "done"]);
    assert!(stderr(&reproduce(folder, &["--cell", "resume-seed-2"])).contains("already done"));

    let script = stdout(&reproduce(folder, &["--on", "slurm", "--dry-run"]));
    assert!(script.contains("#SBATCH --array=0%1\n") && script.contains("#SBATCH --time=00:10:00\n"), "{script}");
    assert!(
        script.contains("--set train.epochs=1 ") && script.contains("--cell \"$SLURM_ARRAY_TASK_ID\""),
        "{script}"
    );
    assert!(!folder.join("run/logs").exists(), "nothing is submitted");
    fs::write(folder.join("large.toml"), "partition = \"gpu\"\n").unwrap();
    let script = stdout(&reproduce(folder, &["--on", "slurm", "--dry-run", "--cluster", "large.toml"]));
    assert!(script.contains("--partition=gpu") && !script.contains("--time"), "{script}");

    // A cell that fails says why until it is tried again.
    let failing = reproduce(folder, &["--cell", "0", "--set", "train.learning_rate=1e10"]);
    assert!(!failing.status.success());
    let status = stdout(&reproduce(folder, &["--status"]));
    assert!(
        status.contains("failed at") && status.contains("the loss is") && status.contains("1 of 2 cells open"),
        "{status}"
    );

    for (wrong, expected) in [
        (&["--cell", "2"][..], "2 cells"),
        (&["--cell", "0", "--resume"], "cannot be used"),
        (&["--dry-run"], "--on"),
    ] {
        let refused = reproduce(folder, wrong);
        assert!(
            !refused.status.success() && stderr(&refused).contains(expected),
            "{wrong:?}: {}",
            stderr(&refused)
        );
    }
}
