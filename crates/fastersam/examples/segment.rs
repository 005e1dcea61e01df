//! Segments a scan with a trained model: `cargo run --release -p fastersam --example segment -- MODEL SCAN OUTPUT`.

use std::error::Error;

use burn::tensor::Device;
use fastersam::{Scan, Segmenter};

/// Writes the label map of a scan; `model` is a checkpoint, or the folder of them that training wrote.
pub fn segment(model: &str, scan: &str, output: &str) -> Result<(), Box<dyn Error>> {
    let segmenter = Segmenter::load(model, &Device::flex())?;
    let scan = Scan::read(scan.as_ref())?;
    let label_map = segmenter.segment_scan(&scan, &segmenter.recommended_pausing())?;
    label_map.write(output)?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, scan, output] = &arguments[..] else { return Err("give MODEL SCAN OUTPUT".into()) };
    segment(model, scan, output)
}
