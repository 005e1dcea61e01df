//! Segments a scan with a trained model: `cargo run --release -p fastersam --example segment -- MODEL SCAN OUTPUT`.

use burn::tensor::Device;
use fastersam::{Scan, Segmenter};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [model, scan, output]: [String; 3] =
        std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "give MODEL SCAN OUTPUT")?;
    let segmenter = Segmenter::load(&model, &Device::flex())?;
    let scan = Scan::read(scan.as_ref())?;
    let label_map = segmenter.segment_scan(&scan, &segmenter.recommended_pausing())?;
    label_map.write(&output)?;
    Ok(())
}
