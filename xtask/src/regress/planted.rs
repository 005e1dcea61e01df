//! Regressions that the suite has to catch: each is a patch that is applied to a copy of the sources.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::product::{Scratch, print, say};
use crate::workspace::{self, cargo_command, root};

/// A mistake, the part of the suite that looks where it shows, and how the names of the figures begin that have to be named.
struct Plant {
    name: &'static str,
    part: &'static str,
    figures: &'static [&'static str],
}

/// The patches of `xtask/planted`.
const PLANTS: [Plant; 5] = [
    // The mean that images are normalised with is that of another channel.
    Plant { name: "normalisation", part: "accuracy", figures: &["accuracy.dice"] },
    // What is easier than the threshold goes on, and what is harder pauses.
    Plant { name: "threshold", part: "accuracy", figures: &["accuracy.active_share_after"] },
    // The fused operations are never taken.
    Plant { name: "generic", part: "speed", figures: &["speed.fused_over_generic"] },
    // Prepacked layers keep the weights that they were packed from.
    Plant { name: "copy", part: "memory", figures: &["memory.over_weights"] },
    // A layer is computed twice.
    Plant { name: "twice", part: "instructions", figures: &["instructions."] },
];

/// Names of those whose patch does not fit the sources any more.
pub fn misfits() -> Vec<&'static str> {
    let fits = |plant: &&Plant| {
        let mut command = Command::new("git");
        command.current_dir(root()).args(["apply", "--check"]).arg(file(plant));
        command.output().is_ok_and(|output| output.status.success())
    };
    PLANTS.iter().filter(|plant| !fits(plant)).map(|plant| plant.name).collect()
}

fn file(plant: &Plant) -> PathBuf {
    root().join("xtask/planted").join(format!("{}.patch", plant.name))
}

/// Plants them one after the other, or the one of a name.
pub fn run(only: Option<&str>) -> Result<()> {
    let chosen: Vec<&Plant> = PLANTS.iter().filter(|plant| only.is_none_or(|only| only == plant.name)).collect();
    if chosen.is_empty() {
        bail!(
            "there is no planted regression {:?}; there are: {}",
            only.unwrap_or(""),
            PLANTS.map(|plant| plant.name).join(", ")
        );
    }
    let scratch = Scratch::new("planted")?;
    let copy = scratch.path().join("sources");
    copy_sources(&copy)?;
    let baseline = scratch.path().join("baseline.toml");
    say("measuring without a mistake");
    let mut parts: Vec<&str> = chosen.iter().map(|plant| plant.part).collect();
    parts.dedup();
    let before = suite(&copy, &baseline, &parts.join(","), &["--update", "--reason", "before planting"])?;
    if !before.is_good {
        bail!("the suite fails without a mistake:\n{}", before.said);
    }
    for plant in &chosen {
        let again = suite(&copy, &baseline, plant.part, &[])?;
        if !again.is_good {
            bail!("the suite fails on the same sources:\n{}", again.said);
        }
    }
    let mut missed = Vec::new();
    for plant in chosen {
        let patch = file(plant);
        apply(&copy, &patch, false)?;
        say(&format!("planted: {}", plant.name));
        let found = suite(&copy, &baseline, plant.part, &[])?;
        apply(&copy, &patch, true)?;
        let names = found
            .said
            .lines()
            .find_map(|line| line.split_once("outside tolerance: "))
            .map_or("", |(_, names)| names);
        let is_named = plant.figures.iter().all(|figure| names.split(", ").any(|name| name.starts_with(figure)));
        let verdict = if !found.is_good && is_named { "caught" } else { "MISSED" };
        print(&format!("{:<16} {verdict}: {}", plant.name, names.split(';').next().unwrap_or_default()));
        if verdict != "caught" {
            missed.push(plant.name);
        }
    }
    if missed.is_empty() { Ok(()) } else { bail!("not caught, or not named: {}", missed.join(", ")) }
}

/// How the suite ended.
struct Ended {
    is_good: bool,
    said: String,
}

/// The suite of a copy of the sources.
fn suite(copy: &Path, baseline: &Path, parts: &str, more: &[&str]) -> Result<Ended> {
    let mut command = cargo_command();
    command.current_dir(copy).args([
        "run",
        "--release",
        "--quiet",
        "--locked",
        "--package",
        "fastersam-cli",
        "--",
    ]);
    command.args(["regress", "--only", parts, "--baseline"]).arg(baseline).args(more);
    let output = command.env("CARGO_TARGET_DIR", target()).output().context("cargo could not be started")?;
    let said = [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat();
    if said.contains("error: could not compile") {
        bail!("the copy does not compile:\n{said}");
    }
    Ok(Ended { is_good: output.status.success(), said })
}

/// Compiled dependencies are shared among runs; nothing of the workspace's own.
fn target() -> PathBuf {
    let own = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    own.join("planted")
}

/// The files that git knows, as they lie here.
fn copy_sources(to: &Path) -> Result<()> {
    let listed = workspace::output(Command::new("git").current_dir(root()).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    for file in listed.lines() {
        let (from, to) = (root().join(file), to.join(file));
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder)?;
        }
        if from.is_file() {
            std::fs::copy(&from, &to).with_context(|| file.to_owned())?;
        }
    }
    Ok(())
}

fn apply(copy: &Path, patch: &Path, reverse: bool) -> Result<()> {
    let mut command = Command::new("git");
    command.current_dir(copy).arg("apply").args(reverse.then_some("--reverse")).arg(patch);
    workspace::run(&mut command).with_context(|| format!("{} does not fit the sources any more", patch.display()))
}
