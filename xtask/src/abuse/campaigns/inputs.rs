//! Command lines that would destroy what is there: refused, unless the user says `--overwrite`; inputs even then.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::Result;

use crate::abuse::Outcome;
use crate::abuse::fixture::Fixture;
use crate::abuse::folders::{copy, lost, snapshot};
use crate::abuse::program::Program;
use crate::abuse::random::Random;

/// Tries one such command line.
pub fn attempt(program: &Program, fixture: &Fixture, place: &Path, random: &mut Random) -> Result<Outcome> {
    for name in ["run", "own", "prepared"] {
        copy(&fixture.folder.join(name), &place.join(name))?;
    }
    for name in ["scan.nii.gz", "scan.nii", "experiment.toml", "suite.toml"] {
        fs::copy(fixture.folder.join(name), place.join(name))?;
    }
    // What is dear to users.
    fs::create_dir_all(place.join("sub"))?;
    fs::create_dir_all(place.join("run/checkpoints/step-mine"))?;
    fs::create_dir_all(place.join("run/checkpoints/.fastersam-writing-mine"))?;
    for note in [
        "run/checkpoints/step-mine/notes",
        "run/checkpoints/.fastersam-writing-mine/notes",
        "run/records/mine.txt",
        "run/report/notes.txt",
        "scan_segmentation.nii.gz",
        "map_labels.json",
        "dataset-description.toml",
        "filled/notes",
    ] {
        fs::create_dir_all(place.join(note).parent().unwrap_or(place))?;
        fs::write(place.join(note), "dear")?;
    }
    fs::hard_link(place.join("scan.nii.gz"), place.join("hard.nii.gz"))?;
    symlink("scan.nii.gz", place.join("soft.nii.gz"))?;
    symlink("run/records/mine.txt", place.join("note.nii.gz"))?;
    let lines: [&str; 27] = [
        "segment scan.nii.gz -m run/checkpoints -o scan.nii.gz",
        "segment scan.nii.gz -m run/checkpoints -o scan.nii.gz --overwrite",
        "segment scan.nii.gz -m run/checkpoints -o ./scan.nii.gz --overwrite",
        "segment scan.nii.gz -m run/checkpoints -o sub/../scan.nii.gz --overwrite",
        "segment scan.nii.gz -m run/checkpoints -o hard.nii.gz --overwrite",
        "segment scan.nii.gz -m run/checkpoints -o soft.nii.gz --overwrite",
        "segment soft.nii.gz -m run/checkpoints -o scan.nii.gz --overwrite",
        "segment scan.nii.gz -m run/checkpoints -o note.nii.gz",
        "segment scan.nii.gz -m run/checkpoints",
        "segment scan.nii.gz -m run/checkpoints -o map.nii.gz",
        "segment scan.nii -m run/checkpoints -o scan_segmentation.nii.gz",
        "train -c experiment.toml -o run",
        "train -c experiment.toml -o run --resume",
        "train -c experiment.toml -o run --set train.epochs=1",
        "train -c experiment.toml -o filled",
        "reproduce --suite suite.toml --configs . -o run",
        "reproduce --suite suite.toml --configs . -o run --resume",
        "reproduce --suite suite.toml --configs . -o filled",
        "data import own -o own",
        "data import own -o prepared",
        "data phantom --form acdc-nifti -o filled --cases 1 --size 32",
        "data describe own",
        "data describe own -o dataset-description.toml",
        "evaluate -m run/checkpoints -c experiment.toml --pause 0.1",
        "export run -o scan.nii.gz",
        "export run -o run/records/mine.txt",
        "export run/checkpoints -o run/checkpoints/latest",
    ];
    let line = *random.choose(&lines);
    let before = snapshot(place)?;
    let run = program.run(place, &line.split(' ').collect::<Vec<_>>())?;
    // A resumed run replaces what it wrote itself; a record of the same measurement is measured again.
    let is_own = |name: &str| {
        let kept = name.contains("mine") || name.contains("notes");
        !kept && (name.starts_with("run/report/") || name.starts_with("run/records/"))
            || (line.contains("--resume") && name.starts_with("run/") && !kept)
    };
    let gone: Vec<String> = lost(&before, &snapshot(place)?).into_iter().filter(|name| !is_own(name)).collect();
    let finding = run.crash().or_else(|| (!gone.is_empty()).then(|| format!("{gone:?} changed or went")));
    Ok(Outcome { what: line.to_owned(), finding, ..Outcome::default() })
}
