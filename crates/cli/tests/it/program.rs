//! The program as its users meet it: what it prints, and the files it leaves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fastersam_datasets::phantom::Phantom;
use fastersam_volume::{Orientation, Scan, write_image_volume};

pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// An experiment file: a training of seconds with checkpoints within its epochs.
pub const TRAINING: &str = r#"
id = "resume"
title = "Resuming"

[data]
source = "phantom"
family = "heart"
train_cases = 3
calibrate_cases = 1
evaluate_cases = 1

[model]
preset = "tiny"
input_size = 64
pause_points = [0, 2, 4]

[train]
epochs = 3
batch_size = 4
learning_rate = 1e-3
warmup_steps = 3
weight_decay = 0.05
augment = true
checkpoint_every_steps = 2

[measure]
batch_size = 4
thresholds = []
dice_tolerance = 0.0
throughput_batch_sizes = []
throughput_runs = 1
"#;

/// Runs the program.
pub fn fastersam(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fastersam")).args(arguments).output().unwrap()
}

/// What it said on standard error.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What it printed; it must have succeeded.
pub fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A data set and a model that take seconds.
const SMALL: [&str; 9] = [
    "model.input_size=64",
    "data.train_cases=1",
    "data.calibrate_cases=1",
    "data.evaluate_cases=1",
    "train.epochs=1",
    "measure.thresholds=[0.9]",
    "measure.dice_tolerance=1.0",
    "measure.throughput_batch_sizes=[4]",
    "measure.throughput_runs=1",
];

/// `--set` for each of [`SMALL`].
pub fn small() -> Vec<&'static str> {
    SMALL.iter().flat_map(|value| ["--set", value]).collect()
}

#[test]
fn one_experiment_of_the_suite_ends_in_a_report_and_a_model_that_segments() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let configs = format!("{ROOT}/configs");
    let suite = ["reproduce", "--configs", &configs, "-o", text(&run), "--only", "phantom-heart", "--seed", "3"];
    let output = fastersam(&[&suite[..], &small(), &["--threads", "1"]].concat());
    let printed = stdout(&output);
    // The path of the report is all that goes to standard output.
    assert_eq!(printed.trim(), text(&run.join("report/index.html")));
    assert!(stderr(&output).contains("reconstructed"), "{}", stderr(&output));
    let page = fs::read_to_string(run.join("report/index.html")).unwrap();
    assert!(page.contains("Reconstruction") && page.contains("per-pixel linear classifier"));

    // Provenance: what would be needed to make the result again.
    let records = fs::read_dir(run.join("records")).unwrap().map(|entry| entry.unwrap().path());
    let evaluation =
        records.into_iter().find(|path| text(path).contains("evaluation") && text(path).contains("threshold-0_9"));
    let record = fs::read_to_string(evaluation.unwrap()).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let provenance = &record["record"]["provenance"];
    assert_eq!((provenance["seed"].as_u64(), provenance["threads"].as_u64()), (Some(3), Some(1)));
    assert_eq!(provenance["config"]["experiment"]["train"]["epochs"], 1);
    assert_eq!(provenance["device"], "flex");
    for hash in ["data_manifest_sha256", "weights_sha256"] {
        assert_eq!(provenance[hash].as_str().map(str::len), Some(64), "{hash}");
    }
    assert!(["commit", "version", "burn_version", "cpu", "date"].iter().all(|key| provenance[key].is_string()));

    // The report comes again from the records alone, the same to the byte.
    fs::remove_dir_all(run.join("report")).unwrap();
    fs::remove_dir_all(run.join("phantom-heart/checkpoints")).unwrap_or_default();
    let published = format!("{configs}/published");
    stdout(&fastersam(&["report", text(&run), "--published", &published]));
    assert_eq!(fs::read_to_string(run.join("report/index.html")).unwrap(), page);
}

#[test]
fn a_trained_model_is_scored_timed_and_segments_scans_of_any_orientation() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let config = format!("{ROOT}/configs/experiments/phantom-heart.toml");
    stdout(&fastersam(&[&["train", "-c", &config, "-o", text(&run)], &small()[..]].concat()));
    let csv = fs::read_to_string(run.join("train.csv")).unwrap();
    assert_eq!(csv.lines().count(), 2, "{csv}");
    let checkpoints = run.join("checkpoints");

    // One record each, which `report` draws.
    let measured = ["-m", text(&checkpoints), "-c", &config, "--pause", "0.9"];
    let scored = stdout(&fastersam(&[&["evaluate"], &measured[..], &small()].concat()));
    assert!(
        scored.contains("transunet") && scored.contains("strict") && scored.contains("reconstructed"),
        "{scored}"
    );
    let timed = stdout(&fastersam(&[&["bench", "--rounds", "1"], &measured[..], &small()].concat()));
    assert!(timed.contains("never") && timed.contains("threshold 0.9"), "{timed}");
    assert_eq!(fs::read_dir(run.join("records")).unwrap().count(), 4, "training, evaluation, two times");
    let published = format!("{ROOT}/configs/published");
    let report = stdout(&fastersam(&["report", text(&run), "--published", &published]));
    assert!(fs::read_to_string(report.trim()).unwrap().contains("threshold 0.9"));

    // The same scan with its axes turned and flipped.
    let scan = Phantom::Heart.acquire(1, 3, 64);
    let turned = Orientation { axes: [0, 2, 1], positive: [true, false, true] };
    let mut classes = Vec::new();
    for (name, orientation) in [("straight", Orientation::default()), ("turned", turned)] {
        let path = folder.path().join(format!("{name}.nii.gz"));
        let straight = folder.path().join("original.nii.gz");
        write_image_volume(&straight, &scan.raw, scan.spacing_mm, Orientation::default()).unwrap();
        let (volume, spacing) = Scan::read(&straight).unwrap().oriented(orientation);
        write_image_volume(&path, &volume.mapv(|v| v as i16), spacing, orientation).unwrap();
        let arguments = ["segment", text(&path), "-m", text(&checkpoints), "--pause", "0.3", "--json"];
        let result: serde_json::Value = serde_json::from_str(&stdout(&fastersam(&arguments))).unwrap();
        assert!(result["volume_ml"]["myocardium"].is_number(), "{result}");
        let (before, after) = (
            Scan::read(&path).unwrap(),
            Scan::read(&folder.path().join(format!("{name}_segmentation.nii.gz"))).unwrap(),
        );
        assert_eq!((before.grid.affine, before.voxels.dim()), (after.grid.affine, after.voxels.dim()));
        let names = fs::read_to_string(folder.path().join(format!("{name}_segmentation_labels.json"))).unwrap();
        assert!(names.contains("left ventricle"), "{names}");
        classes.push(after.oriented(Orientation::default()).0);
    }
    assert_eq!(classes[0], classes[1], "the orientation of the file changes the result");
    assert!(classes[0].iter().any(|&class| class > 0.0), "an empty segmentation tells nothing");
}

/// A checkpoint that was hardly trained, of `phantom-abdomen`.
pub fn checkpoint(folder: &Path) -> PathBuf {
    let run = folder.join("model");
    let config = format!("{ROOT}/configs/experiments/phantom-abdomen.toml");
    stdout(&fastersam(&[&["train", "-c", &config, "-o", text(&run)], &small()[..]].concat()));
    run.join("checkpoints")
}

#[test]
fn segment_never_writes_onto_its_scan_and_onto_nothing_else_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let model = checkpoint(folder.path());
    let phantom = Phantom::Abdomen.acquire(1, 3, 48);
    write_image_volume(&at("scan.nii.gz"), &phantom.raw, phantom.spacing_mm, Orientation::default()).unwrap();
    write_image_volume(&at("scan.nii"), &phantom.raw, phantom.spacing_mm, Orientation::default()).unwrap();
    fs::hard_link(at("scan.nii.gz"), at("hard.nii.gz")).unwrap();
    fs::create_dir(at("sub")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("scan.nii.gz", at("soft.nii.gz")).unwrap();
    let before = fs::read(at("scan.nii.gz")).unwrap();
    let segment =
        |scan: &str, more: &[&str]| fastersam(&[&["segment", text(&at(scan)), "-m", text(&model)], more].concat());
    for output in ["scan.nii.gz", "./scan.nii.gz", "sub/../scan.nii.gz", "hard.nii.gz", "soft.nii.gz"] {
        for more in [&[][..], &["--overwrite"]] {
            let refused = segment("scan.nii.gz", &[&["-o", text(&at(output))], more].concat());
            let message = stderr(&refused);
            assert!(
                !refused.status.success() && message.contains("same file as the input"),
                "{output}: {message}"
            );
        }
    }
    assert!(fs::read(at("scan.nii.gz")).unwrap() == before);

    // Two scans of one name have outputs of their own; what is there stays, unless the user says otherwise.
    let first = stdout(&segment("scan.nii.gz", &[]));
    let second = stdout(&segment("scan.nii", &[]));
    assert_eq!(
        [first.trim(), second.trim()],
        [text(&at("scan_segmentation.nii.gz")), text(&at("scan_segmentation.nii"))]
    );
    let map = fs::read(at("scan_segmentation.nii.gz")).unwrap();
    for kept in ["scan_segmentation.nii.gz", "scan_segmentation_labels.json"] {
        fs::write(at(kept), "drawn by hand").unwrap();
        let refused = segment("scan.nii.gz", &[]);
        assert!(stderr(&refused).contains("--overwrite"), "{}", stderr(&refused));
        assert_eq!(fs::read(at(kept)).unwrap(), b"drawn by hand");
        stdout(&segment("scan.nii.gz", &["--overwrite"]));
    }
    assert!(fs::read(at("scan_segmentation.nii.gz")).unwrap() == map);
    let printed = stdout(&segment("scan.nii.gz", &["--overwrite", "--json"]));
    let result: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(result["model_sha256"].as_str().map(str::len), Some(64));
    assert_eq!(result["warnings"], serde_json::json!([]));
    // A result that can't be printed is none.
    #[cfg(target_os = "linux")]
    {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_fastersam"));
        command.args(["segment", text(&at("scan.nii.gz")), "-m", text(&model), "--overwrite"]);
        let output = command.stdout(full).output().unwrap();
        assert!(!output.status.success() && stderr(&output).contains("can't be printed"), "{}", stderr(&output));
    }
}
