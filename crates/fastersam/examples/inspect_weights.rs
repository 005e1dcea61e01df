//! What a weight file is, and what a model would take from it.
//!
//! `cargo run --release -p fastersam --example inspect_weights -- FILE [tiny|small|vit_s|vit_b|vit_l|vit_h]`
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use burn::tensor::Device;
use fastersam::weights::{LoadOptions, LoadReport, WeightFile, load_into, recognise};
use fastersam::{ModelOptions, Preset};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let Some(path) = arguments.next() else {
        return Err("usage: inspect_weights FILE [PRESET]".into());
    };
    let file = WeightFile::open(Path::new(&path))?;
    println!("{path}");
    println!("  {}, SHA-256 {}", file.format, file.sha256);
    println!("  {} tensors, {} parameters", file.tensors.len(), file.n_parameters());
    println!("  {}", recognise(&file)?);
    let Some(preset) = arguments.next() else { return Ok(()) };
    let preset: Preset = serde_json::from_value(preset.into())?;
    let model = ModelOptions::new(preset).resolve(2)?.init(0, &Device::flex())?;
    let (_, report) = load_into(model, &file, &LoadOptions::default())?;
    show(&report);
    Ok(())
}

fn show(report: &LoadReport) {
    for resized in &report.resized {
        println!("  resized {}: {} to {}", resized.key, resized.from, resized.to);
    }
    for (what, keys) in [
        ("used", &report.used),
        ("unused", &report.unused),
        ("set aside", &report.set_aside),
        ("new in the model", &report.new),
    ] {
        println!("  {} {what}: {}", keys.len(), keys.join(" "));
    }
}
