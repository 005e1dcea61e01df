//! `fastersam calibrate` on a model that was trained for a moment.

use std::process::{Command, Output};

use fastersam::{CalibrationCases, PauseSettings, Recommendation};

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/experiments/phantom-heart.toml");
/// A data set and a model that take seconds.
const SMALL: [&str; 4] =
    ["model.input_size=64", "data.train_cases=1", "data.calibrate_cases=1", "data.evaluate_cases=1"];

fn fastersam(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fastersam"));
    command.args(arguments);
    for value in SMALL {
        command.args(["--set", value]);
    }
    command.output().unwrap()
}

#[test]
fn a_budget_becomes_a_threshold_that_meets_it() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().to_str().unwrap();
    let trained = fastersam(&["train", "-c", CONFIG, "-o", run, "--set", "train.epochs=1"]);
    assert!(trained.status.success(), "{}", String::from_utf8_lossy(&trained.stderr));
    let checkpoints = format!("{run}/checkpoints");
    let calibrate = |arguments: &[&str]| {
        fastersam(&[&["calibrate", "-m", &checkpoints, "-c", CONFIG, "--json"], arguments].concat())
    };
    let recommended = || {
        let place = fastersam::checkpoint::resolve(checkpoints.as_ref()).unwrap();
        fastersam::checkpoint::read_info(&place).unwrap().recommended
    };
    for (option, value, dry) in
        [("--macs-share", "0.7", true), ("--dice-loss", "1", false), ("--macs-share", "0.6", false)]
    {
        let before = recommended();
        let mut arguments = vec![option, value];
        arguments.extend(dry.then_some("--dry-run"));
        let output = calibrate(&arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let settings: PauseSettings = serde_json::from_value(result["pause"].clone()).unwrap();
        let chosen_on = CalibrationCases { cases: "validation phantoms".to_owned(), trained_on: false };
        if option == "--macs-share" {
            let share = result["macs_share"].as_f64().unwrap();
            assert!(share <= value.parse().unwrap(), "{result}");
        } else {
            // Nothing is too much to lose: everything may pause.
            assert_eq!(settings, PauseSettings::threshold([1.0]), "{result}");
        }
        assert_eq!(recommended(), if dry { before } else { Some(Recommendation { settings, chosen_on }) });
    }
    // Under a name of its own: the recommended setting stays.
    let before = recommended();
    let output = calibrate(&["--macs-share", "0.8", "--profile", "careful"]);
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(recommended(), before);
    let evaluate =
        |pause: &str| fastersam(&["evaluate", "-m", &checkpoints, "-c", CONFIG, "--json", "--pause", pause]);
    let record: serde_json::Value = serde_json::from_slice(&evaluate("careful").stdout).unwrap();
    assert_eq!(record["pause"]["settings"], result["pause"]);
    assert!(record["pause"]["recommended"].is_null(), "{record}");
    let message = String::from_utf8(evaluate("fast").stderr).unwrap();
    assert!(message.contains("no pause setting `fast`; choose never, recommended, careful or"), "{message}");
    let output = calibrate(&["--macs-share", "0.8", "--profile", "never"]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("`never` means another pause setting already"), "{message}");
    // Patch embedding, the first blocks and the neck can't pause.
    let output = calibrate(&["--macs-share", "0.001"]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && message.contains("no pause threshold meets"), "{message}");
    assert!(!calibrate(&[]).status.success());
    assert!(!calibrate(&["--macs-share", "0.5", "--dice-loss", "0.1"]).status.success());
}
