//! Pipes, devices, sockets and folders where files are expected: an error at once.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::abuse::Outcome;
use crate::abuse::fixture::{Fixture, first_file};
use crate::abuse::folders::copy;
use crate::abuse::program::Program;
use crate::abuse::random::Random;

/// Puts something that is no file in the place of one.
pub fn attempt(program: &Program, fixture: &Fixture, place: &Path, random: &mut Random) -> Result<Outcome> {
    for name in ["run", "own", "acdc", "npz", "h5", "prepared"] {
        copy(&fixture.folder.join(name), &place.join(name))?;
    }
    for name in ["scan.nii.gz", "experiment.toml", "suite.toml", "weights.safetensors"] {
        fs::copy(fixture.folder.join(name), place.join(name))?;
    }
    let record = first_file(&place.join("run/records"))?;
    let record = record.strip_prefix(place)?.to_string_lossy().into_owned();
    let segment = "segment scan.nii.gz -m run/checkpoints -o map.nii.gz";
    let lines: [(String, &str); 14] = [
        ("scan.nii.gz".to_owned(), segment),
        ("map.nii.gz".to_owned(), segment),
        ("map_labels.json".to_owned(), segment),
        ("run/checkpoints/latest".to_owned(), segment),
        (fixture.checkpoint("checkpoint.json")?, segment),
        (fixture.checkpoint("model.bpk")?, segment),
        (fixture.checkpoint("trainer.json")?, "train -c experiment.toml -o run --resume"),
        ("experiment.toml".to_owned(), "train -c experiment.toml -o new"),
        ("suite.toml".to_owned(), "reproduce --suite suite.toml --configs . -o new"),
        ("run/.fastersam-lock".to_owned(), "train -c experiment.toml -o run --resume"),
        ("acdc/patient001/Info.cfg".to_owned(), "data check acdc --partial"),
        ("prepared/dataset.toml".to_owned(), "data check prepared --partial"),
        ("weights.safetensors".to_owned(), "inspect weights.safetensors"),
        (record, "compare RECORD RECORD"),
    ];
    let (file, line) = random.choose(&lines);
    let path = place.join(file);
    let _ = fs::remove_file(&path);
    let kind = ["a pipe", "a device that never ends", "a folder", "a socket"][random.below(4)];
    // Kept until the program has ended.
    let mut socket = None;
    match kind {
        "a pipe" => drop(Command::new("mkfifo").arg(&path).status()?),
        "a device that never ends" => symlink("/dev/zero", &path)?,
        "a folder" => fs::create_dir(&path)?,
        _ => socket = UnixListener::bind(&path).ok(),
    }
    let line = line.replace("RECORD", file);
    let run = program.run(place, &line.split(' ').collect::<Vec<_>>())?;
    drop(socket);
    let accepted = run.succeeded() && !matches!(file.as_str(), "run/.fastersam-lock");
    let finding = run.crash().or_else(|| accepted.then(|| "it was taken for a file".to_owned()));
    Ok(Outcome { what: format!("{kind} in the place of {file}: {line}"), finding, ..Outcome::default() })
}
