//! The regression suite as CI runs it: what moved is named, and what did not is not.

use std::fs;
use std::process::{Command, Output};

use crate::program::{stderr, stdout, text};

/// Parts that take a moment.
const QUICK: &str = "logits,macs,program";

fn regress(folder: &std::path::Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fastersam"));
    command.current_dir(folder).args(["regress", "--baseline", "baseline.toml"]).args(more);
    command.output().unwrap()
}

#[test]
fn what_moved_fails_and_is_named_and_what_did_not_move_passes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // Nothing to compare with: everything is new.
    assert!(stdout(&regress(folder, &["--only", QUICK])).contains("new"));
    assert!(!folder.join("baseline.toml").exists(), "a baseline is made when it is asked for");
    let update = ["--only", QUICK, "--update", "--reason", "the first figures", "--history", "history"];
    stdout(&regress(folder, &update));
    let baseline = fs::read_to_string(folder.join("baseline.toml")).unwrap();
    assert!(baseline.contains("the first figures") && baseline.contains("[metrics]"), "{baseline}");

    let again =
        ["--only", QUICK, "--history", "history", "--markdown", "moved.md", "--benchmark-json", "moved.json"];
    assert!(stdout(&regress(folder, &again)).contains("Nothing moved"));
    assert!(fs::read_to_string(folder.join("moved.md")).unwrap().contains("Nothing moved"));
    let entries: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(folder.join("moved.json")).unwrap()).unwrap();
    assert!(entries.as_array().unwrap().iter().all(|entry| entry["value"].is_number() && entry["unit"] != ""));
    assert_eq!(fs::read_dir(folder.join("history")).unwrap().count(), 2, "one file a run");

    // A checksum and a count of the past were others.
    let sum = baseline.lines().find_map(|line| line.strip_prefix("\"logits.sha256.never\" = ")).unwrap();
    let gmacs =
        baseline.lines().find(|line| line.contains("model-half\" = ") && !line.contains("better")).unwrap();
    let (name, value) = gmacs.split_once(" = ").unwrap();
    let before: f64 = value.parse().unwrap();
    let edited =
        baseline.replace(sum, "\"0000000000000000\"").replace(gmacs, &format!("{name} = {}", before * 0.9));
    fs::write(folder.join("baseline.toml"), edited).unwrap();
    let moved = regress(folder, &["--only", QUICK, "--json"]);
    let message = stderr(&moved);
    assert!(!moved.status.success(), "{message}");
    assert!(message.contains("logits.sha256.never") && message.contains(name.trim_matches('"')), "{message}");
    assert!(!message.contains("logits.sha256.threshold"), "{message}");
    let printed: serde_json::Value = serde_json::from_slice(&moved.stdout).unwrap();
    let worse = printed["comparisons"].as_array().unwrap().iter().filter(|one| one["verdict"] == "worse").count();
    assert_eq!(worse, 2);

    let page = folder.join("page.html");
    stdout(&regress(folder, &["--history", "history", "--page", text(&page)]));
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("<svg") && page.contains("macs.predicted") && page.contains("the first figures"));
}

#[test]
fn what_can_t_be_is_said() {
    let folder = tempfile::tempdir().unwrap();
    for (more, expected) in [
        (&["--only", "speeed"][..], "speeed"),
        (&["--update"], "--reason"),
        (&["--only", "macs", "--update", "--reason", " "], "--reason"),
        (&["--history", "none", "--page", "page.html"], "none"),
        (&["--given", "seconds"], "PART.NAME=NUMBER"),
    ] {
        let refused = regress(folder.path(), more);
        assert!(
            !refused.status.success() && stderr(&refused).contains(expected),
            "{more:?}: {}",
            stderr(&refused)
        );
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
