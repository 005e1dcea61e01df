//! Training survives: killed, out of disk and interrupted, a run ends with the same weights as one that was left
//! alone.

#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};

use crate::program::{TRAINING, fastersam, stderr, text};

/// `fastersam train` of the experiment in `folder`.
fn train(folder: &Path, run: &str, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fastersam"));
    command.current_dir(folder).args(["train", "-c", "experiment.toml", "-o", run]).args(more);
    command
}

/// Starts a training and waits for a checkpoint other than `before`.
fn start(folder: &Path, run: &str, more: &[&str], before: &str) -> Child {
    let mut child = train(folder, run, more).stderr(Stdio::piped()).spawn().unwrap();
    while latest(&folder.join(run)) == before {
        assert!(child.try_wait().unwrap().is_none(), "it ended before its checkpoint");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

/// The name of the last checkpoint; empty where there is none.
fn latest(run: &Path) -> String {
    fs::read_to_string(run.join("checkpoints/latest")).unwrap_or_default()
}

#[test]
fn a_run_that_was_killed_out_of_disk_and_interrupted_ends_with_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("experiment.toml"), TRAINING).unwrap();
    assert!(train(folder, "whole", &[]).stderr(Stdio::null()).status().unwrap().success());
    let run = folder.join("run");

    let mut killed = start(folder, "run", &[], "");
    killed.kill().unwrap();
    killed.wait().unwrap();
    let left = latest(&run);
    assert!(left.starts_with("step-000-"), "killed after its first epoch: {left}");

    // Without --resume a trained model is not overwritten.
    let refused = train(folder, "run", &[]).output().unwrap();
    assert!(!refused.status.success() && stderr(&refused).contains("--resume"), "{}", stderr(&refused));

    // No file may grow beyond 100 KiB: as on a full disk, no checkpoint can be written.
    let limited = format!(
        "trap '' XFSZ; ulimit -f 100; exec {} train -c experiment.toml -o run --resume",
        env!("CARGO_BIN_EXE_fastersam")
    );
    let full = Command::new("bash").args(["-c", &limited]).current_dir(folder).output().unwrap();
    let message = stderr(&full);
    assert!(!full.status.success() && message.contains("checkpoints"), "{message}");
    assert!(message.contains("too large") && !message.contains("panicked"), "{message}");
    let entries = fs::read_dir(run.join("checkpoints")).unwrap().map(|e| e.unwrap().file_name());
    let mut entries: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
    entries.sort();
    assert_eq!(entries, ["latest".to_owned(), left.clone()], "something half-written");

    // Ctrl-C: the process saves and stops.
    let interrupted = start(folder, "run", &["--resume"], &left);
    let before = latest(&run);
    let id = interrupted.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let interrupted = interrupted.wait_with_output().unwrap();
    let message = stderr(&interrupted);
    assert!(!interrupted.status.success() && message.contains("continue with --resume"), "{message}");
    assert_ne!(latest(&run), before, "nothing was saved");

    assert!(train(folder, "run", &["--resume"]).stderr(Stdio::null()).status().unwrap().success());
    assert_eq!(weights(&folder.join("whole")), weights(&run), "other weights after resuming");
    for file in ["model.bpk", "optimizer.bpk"] {
        let bytes = |run: &Path| fs::read(run.join("checkpoints").join(latest(run)).join(file)).unwrap();
        assert!(bytes(&folder.join("whole")) == bytes(&run), "another {file} after resuming");
    }
    let epochs = |run: &Path| fs::read_to_string(run.join("train.csv")).unwrap().lines().count();
    assert_eq!((epochs(&folder.join("whole")), epochs(&run)), (4, 4));

    // Where `latest` is lost, the checkpoint is found all the same.
    let last = latest(&run);
    fs::remove_file(run.join("checkpoints/latest")).unwrap();
    let found = train(folder, "run", &["--resume"]).output().unwrap();
    assert!(stderr(&found).contains("already trained"), "{}", stderr(&found));
    fs::write(run.join("checkpoints/latest"), last).unwrap();

    // Another configuration must not go on from here.
    let other = train(folder, "run", &["--resume", "--set", "train.batch_size=2"]).output().unwrap();
    assert!(!other.status.success() && stderr(&other).contains("another"), "{}", stderr(&other));
}

#[test]
fn of_two_processes_on_one_folder_one_waits_for_the_other_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("experiment.toml"), TRAINING).unwrap();
    let mut first = start(folder, "run", &[], "");
    for more in [&[][..], &["--resume"], &["--overwrite"]] {
        let second = train(folder, "run", more).output().unwrap();
        assert!(!second.status.success(), "{more:?}");
        let message = stderr(&second);
        assert!(message.contains("in use by process") || message.contains("holds a run"), "{message}");
    }
    first.kill().unwrap();
    first.wait().unwrap();
    // The lock of a killed process holds nobody up. A user's own files outlast even what overwrites.
    fs::write(folder.join("run/checkpoints/notes"), "kept").unwrap();
    assert!(train(folder, "run", &["--resume"]).stderr(Stdio::null()).status().unwrap().success());
    assert!(train(folder, "run", &["--overwrite"]).stderr(Stdio::null()).status().unwrap().success());
    assert_eq!(fs::read_to_string(folder.join("run/checkpoints/notes")).unwrap(), "kept");
    assert_eq!(fs::read_dir(folder.join("run/checkpoints")).unwrap().count(), 3, "latest, the checkpoint, notes");
}

#[test]
fn a_loss_that_is_not_finite_stops_with_the_names_of_the_slices() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("experiment.toml");
    fs::write(&config, TRAINING).unwrap();
    let run = folder.path().join("run");
    let output = fastersam(&["train", "-c", text(&config), "-o", text(&run), "--set", "train.learning_rate=1e10"]);
    let message = stderr(&output);
    assert!(!output.status.success() && message.contains("the loss is"), "{message}");
    assert!(message.contains("patient") && message.contains(" slice "), "{message}");
}

/// The bits of every parameter, by path.
fn weights(run: &Path) -> Vec<(String, Vec<u32>)> {
    struct Collect {
        path: Vec<String>,
        values: Vec<(String, Vec<u32>)>,
    }
    impl ModuleVisitor for Collect {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let values = param.val().into_data().try_to_vec::<f32>().unwrap();
            let bits = values.into_iter().map(f32::to_bits).collect();
            self.values.push((self.path.join("."), bits));
        }
    }
    let loaded = fastersam::Checkpoint::load(&run.join("checkpoints"), &Device::flex()).unwrap();
    let mut collect = Collect { path: Vec::new(), values: Vec::new() };
    loaded.model.visit(&mut collect);
    assert!(collect.values.len() > 50);
    collect.values
}
