//! The program as its users meet it: what it prints, and what it leaves behind when input is bad.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use fastersam_datasets::phantom::Phantom;
use fastersam_datasets::{Scan, write_image};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn fastersam(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fastersam")).args(arguments).output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The message of a command that must fail.
fn error(arguments: &[&str]) -> String {
    let output = fastersam(arguments);
    assert!(!output.status.success(), "{arguments:?} succeeded");
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("error: ") && !message.contains("panicked"), "{message}");
    message
}

#[test]
fn bad_input_gives_an_error_that_names_the_file_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (configs, output) = (format!("{ROOT}/configs"), folder.path().join("run"));
    let nowhere = folder.path().join("nowhere");
    let suite = ["reproduce", "--suite", "cpu-quick", "--configs", &configs, "-o", text(&output)];
    let message = error(&[&suite[..], &["--data", text(&nowhere)]].concat());
    assert!(message.contains("nowhere") && message.contains("does not exist"), "{message}");
    assert!(error(&suite).contains("--data"));
    assert!(!output.join("report").exists());

    let unknown_key = folder.path().join("experiment.toml");
    let good = fs::read_to_string(format!("{configs}/experiments/phantom-heart.toml")).unwrap();
    fs::write(&unknown_key, good.replace("epochs =", "epoch =")).unwrap();
    let message = error(&["train", "-c", text(&unknown_key), "-o", text(&output)]);
    assert!(message.contains("experiment.toml") && message.contains("epoch"), "{message}");

    let scan = folder.path().join("scan.nii.gz");
    fs::write(&scan, [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2]).unwrap();
    let message = error(&["segment", text(&scan), "--model", text(&nowhere)]);
    assert!(message.contains("scan.nii.gz"), "{message}");
    assert!(!folder.path().join("scan_segmentation.nii.gz").exists());

    let message = error(&["inspect", text(folder.path())]);
    assert!(message.contains("checkpoint"), "{message}");
    let message = error(&["--device", "gpu", "inspect", text(folder.path())]);
    assert!(message.contains("gpu") && message.contains("flex"), "{message}");
}

#[test]
fn a_trained_model_segments_a_scan_from_its_checkpoint_alone() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let config = format!("{ROOT}/configs/experiments/phantom-heart.toml");
    let small = [
        "model.input_size=64",
        "data.train_cases=1",
        "data.calibrate_cases=1",
        "data.evaluate_cases=1",
        "train.epochs=1",
    ];
    let mut arguments = vec!["train", "-c", &config, "-o", text(&run)];
    for value in &small {
        arguments.extend(["--set", value]);
    }
    let output = fastersam(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let csv = fs::read_to_string(run.join("train.csv")).unwrap();
    assert_eq!(csv.lines().count(), 2, "{csv}");

    let case = Phantom::Heart.case(1, 3);
    let scan = folder.path().join("heart.nii.gz");
    let voxels = case.image.view().permuted_axes([2, 1, 0]).as_standard_layout().into_owned();
    write_image(&scan, &voxels, [1.5, 1.5, 8.0]).unwrap();
    let checkpoints = run.join("checkpoints");
    let output = fastersam(&[
        "segment", text(&scan), "--model", text(&checkpoints), "--pause-threshold", "0.3", "--json",
    ]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(result["volume_ml"]["myocardium"].is_number(), "{result}");
    let (before, after) = (
        Scan::read(&scan).unwrap(),
        Scan::read(&folder.path().join("heart_segmentation.nii.gz")).unwrap(),
    );
    assert_eq!((before.affine, before.voxels.dim()), (after.affine, after.voxels.dim()));
    let names = fs::read_to_string(folder.path().join("heart_segmentation_labels.json")).unwrap();
    assert!(names.contains("left ventricle"), "{names}");
}
