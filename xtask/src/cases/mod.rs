//! `cargo xtask cases [FOLDER]`: small inputs after public bug reports, each with what is right.
//!
//! Without a folder, the inputs are made here, from the program's own phantoms. With one, they are those of its
//! `make_cases.py` (run by `--python`), or what this made before; more kinds are in it. Each row of the table is one command
//! and what must come of it; inputs that are not there are left out and counted.

mod check;
mod make;
mod outcome;
mod table;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::product::{Product, Scratch, print, say};
use crate::workspace::root;
use check::Judge;

/// The program that makes inputs of others.
const MAKER: &str = "make_cases.py";

/// Which cases are tried.
#[derive(Args)]
pub struct Cases {
    /// A folder with `make_cases.py`, or with inputs that it made [default: the inputs that this command makes itself]
    folder: Option<PathBuf>,
    /// Only these cases, by number
    #[arg(long, value_delimiter = ',', value_name = "NUMBERS")]
    only: Vec<String>,
    /// Checkpoint of an abdomen model [default: one that is trained here for a minute]
    #[arg(long, short, value_name = "FOLDER")]
    model: Option<PathBuf>,
    /// The program [default: compiled from this workspace]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// The Python that runs `make_cases.py`; it needs numpy, nibabel and h5py
    #[arg(long, default_value = "python3", value_name = "FILE")]
    python: PathBuf,
    /// Keep inputs, model and results in this folder
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
}

impl Cases {
    /// Runs the cases and prints a table.
    pub fn run(&self) -> Result<()> {
        let product = Product::new(self.program.as_deref())?;
        let scratch = Scratch::new("cases")?;
        let place = self.keep.as_deref().unwrap_or(scratch.path());
        std::fs::create_dir_all(place).with_context(|| place.display().to_string())?;
        let place = place.canonicalize()?;
        let inputs = self.inputs(&product, &place)?;
        let model = self.model(&product, &place)?;
        let judge = Judge::new(&product, &inputs, &model, &place)?;
        let (mut n, mut n_wrong, mut n_absent) = (0, 0, 0);
        print("case  right  input and command: expected; found");
        for row in
            table::ALL.iter().filter(|row| self.only.is_empty() || self.only.iter().any(|name| name == row.case))
        {
            if !inputs.join(row.input).exists() {
                n_absent += 1;
                continue;
            }
            let found = judge.judge(row)?;
            n += 1;
            n_wrong += usize::from(!found.is_right);
            let right = if found.is_right { "yes" } else { "NO" };
            print(&format!("{:<5} {right:<6} {}: {}; {}", row.case, found.command, found.expected, found.found));
        }
        print(&format!(
            "{n} tried, {} right, {n_wrong} wrong; {n_absent} left out, whose inputs are not there",
            n - n_wrong
        ));
        match (n, n_wrong) {
            (0, _) => bail!("no input of a case was found in {}", inputs.display()),
            (_, 0) => Ok(()),
            _ => bail!("{n_wrong} of {n} cases are wrong"),
        }
    }

    /// The folder with the inputs, made where they are not there.
    fn inputs(&self, product: &Product, place: &Path) -> Result<PathBuf> {
        let made = place.join("inputs");
        let Some(folder) = &self.folder else {
            say("making inputs");
            make::all(product, &made)?;
            return Ok(made);
        };
        let folder = folder.canonicalize().with_context(|| folder.display().to_string())?;
        let maker = folder.join(MAKER);
        if !maker.is_file() {
            return Ok(folder);
        }
        say(&format!("making inputs with {}", maker.display()));
        let mut command = Command::new(&self.python);
        command
            .arg(&maker)
            .arg(&made)
            .arg("--fastersam")
            .arg(product.binary())
            .arg("--only")
            .arg(self.only.join(","));
        let output = command.output().with_context(|| self.python.display().to_string())?;
        if !output.status.success() {
            bail!("{} failed: {}", maker.display(), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(made)
    }

    /// The checkpoint, trained where none is given.
    fn model(&self, product: &Product, place: &Path) -> Result<PathBuf> {
        if let Some(model) = &self.model {
            return model.canonicalize().with_context(|| model.display().to_string());
        }
        let run = place.join("model");
        if !run.join("checkpoints").exists() {
            say("training a model");
            let config = root().join("configs/experiments/phantom-abdomen.toml");
            let small =
                ["data.train_cases=16", "data.calibrate_cases=1", "data.evaluate_cases=1", "train.epochs=4"];
            let small: Vec<&str> = small.iter().flat_map(|value| ["--set", value]).collect();
            let (config, output) = (config.to_string_lossy(), run.to_string_lossy());
            product.must(place, &[&["train", "-c", &config, "-o", &output][..], &small].concat())?;
        }
        Ok(run.join("checkpoints"))
    }
}
