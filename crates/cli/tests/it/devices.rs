//! One model on every device: `FASTERSAM_DEVICE` names the one that is held against the CPU's own backend.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::program::{TRAINING, stdout, text};

/// Software Vulkan takes its time.
const SHORTER: [&str; 4] = ["--set", "train.epochs=2", "--set", "data.train_cases=2"];

/// The device that is tested.
fn tested() -> String {
    std::env::var("FASTERSAM_DEVICE").unwrap_or_else(|_| "flex".to_owned())
}

fn fastersam(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fastersam"));
    command.current_dir(folder).args(arguments).stderr(Stdio::null());
    command
}

fn train(folder: &Path, run: &str, device: &str, more: &[&str]) -> Command {
    let arguments = ["train", "-c", "experiment.toml", "-o", run, "--device", device];
    fastersam(folder, &[&arguments[..], &SHORTER, more].concat())
}

/// Loss, cross entropy, Dice loss and pause heads' loss of each epoch.
fn losses(run: &Path) -> Vec<f64> {
    let table = fs::read_to_string(run.join("train.csv")).unwrap();
    let rows = table.lines().skip(1);
    rows.flat_map(|row| row.split(',').skip(2).take(4).map(|value| value.parse().unwrap()).collect::<Vec<_>>())
        .collect()
}

fn wait_for_checkpoint(child: &mut Child, run: &Path) {
    while !run.join("checkpoints/latest").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before its checkpoint");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn devices_continue_each_other_and_agree() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, tested) = (folder.path(), tested());
    fs::write(folder.join("experiment.toml"), TRAINING).unwrap();
    assert!(train(folder, "whole", "flex", &[]).status().unwrap().success());
    let expected = losses(&folder.join("whole"));
    assert_eq!(expected.len(), 8);
    for (run, first, second) in [("there", "flex", tested.as_str()), ("back", tested.as_str(), "flex")] {
        let path = folder.join(run);
        let mut child = train(folder, run, first, &[]).spawn().unwrap();
        wait_for_checkpoint(&mut child, &path);
        child.kill().unwrap();
        child.wait().unwrap();
        let left = fs::read_to_string(path.join("checkpoints/latest")).unwrap();
        assert!(left.starts_with("step-000-"), "{first} was stopped after its first epoch: {left}");
        assert!(train(folder, run, second, &["--resume"]).status().unwrap().success(), "{first}, then {second}");
        for (found, expected) in losses(&path).iter().zip(&expected) {
            assert!((found - expected).abs() <= 1e-3 * expected.abs().max(1.0), "{first}, then {second}: {found}");
        }
    }

    let bench = ["bench", "-m", "there", "-c", "experiment.toml", "--rounds", "1", "--batch-size", "4", "--json"];
    let settings = ["--pause", "0.5", "--pause", "keep_ratio = [0.7, 0.5, 0.5]"];
    let on = ["--device", &tested, "--against", "flex"];
    let printed = stdout(&fastersam(folder, &[&bench[..], &settings, &on].concat()).output().unwrap());
    let lines: Vec<serde_json::Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let agreements: Vec<_> = lines.iter().filter(|line| line["agreement"].is_object()).collect();
    assert_eq!(agreements.len(), 3, "{printed}");
    for (line, most) in agreements.iter().zip([0, 3, 0]) {
        let agreement = &line["agreement"];
        assert_eq!(line["holds"], true, "{line}");
        assert!(
            agreement["slices"].as_u64() > Some(8) && agreement["logits_largest"].as_f64() > Some(1.0),
            "{line}"
        );
        assert!(agreement["shapes"].as_u64().unwrap() <= 12, "{line}");
        // The CPU's own backend decides on the host.
        assert!(tested == "flex" || agreement["read_backs"].as_u64().unwrap() <= most, "{line}");
    }
    let timed: Vec<&str> = lines.iter().filter_map(|line| line["provenance"]["device"].as_str()).collect();
    assert_eq!(timed.len(), 6, "{printed}");
    let records = fs::read_dir(folder.join("there/records")).unwrap();
    let records = records.filter(|entry| text(&entry.as_ref().unwrap().path()).contains("throughput")).count();
    assert_eq!(records, if tested == "flex" { 3 } else { 6 }, "each device has records of its own");
}

#[test]
fn a_device_to_compare_with_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("experiment.toml"), TRAINING).unwrap();
    let config = text(&folder.path().join("experiment.toml")).to_owned();
    let run = ["train", "-c", &config, "-o", "run", "--set", "train.epochs=1", "--set", "data.train_cases=1"];
    assert!(fastersam(folder.path(), &run).status().unwrap().success());
    let bench = ["bench", "-m", "run", "-c", &config, "--against", "abacus"];
    let refused = Command::new(env!("CARGO_BIN_EXE_fastersam")).current_dir(&folder).args(bench).output().unwrap();
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && message.contains("abacus") && message.contains("libtorch"), "{message}");
}
