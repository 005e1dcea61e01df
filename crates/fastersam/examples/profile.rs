//! Where the time of a forward pass goes: CNN branch, encoder, decoder, class map.
//!
//! `cargo run --release -p fastersam --example profile [preset] [input] [batch] [rounds]`
#![allow(missing_docs, clippy::print_stdout)]

use std::time::Instant;

use burn::tensor::{Device, Tensor};
use fastersam::{ModelOptions, Preset, Segmenter};
use fastersam_pausing_encoder::PauseSettings;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let preset = arguments.next().unwrap_or_else(|| "tiny".to_owned());
    let mut number = |default: usize| arguments.next().map_or(Ok(default), |text| text.parse());
    let (input, batch, rounds) = (number(128)?, number(8)?, number(11)?);
    let device = Device::flex();
    let preset: Preset = serde_json::from_value(preset.into())?;
    let options = ModelOptions { input_size: Some(input), ..ModelOptions::new(preset) };
    let config = options.resolve(9)?;
    let mut model = config.init(1, &device)?;
    if std::env::var_os("UNPACKED").is_none() {
        model = model.prepacked();
    }
    let segmenter = Segmenter::new(&model, &config, batch, device.clone());
    let images = Tensor::<4>::zeros([batch, 1, input, input], &device);
    let mut times = vec![Vec::new(); 4];
    for _ in 0..=rounds {
        let mut last = Instant::now();
        let mut lap = |part: usize| {
            let now = Instant::now();
            times[part].push((now - last).as_secs_f64() * 1e3);
            last = now;
        };
        let conv = model.conv_branch.as_ref().map(|branch| branch.forward(images.clone()));
        lap(0);
        let normal = model.normalise(images.clone());
        let encoded = model.encoder.forward(normal, conv.as_ref(), &PauseSettings::never())?;
        lap(1);
        let skips = conv.map(|features| (features.stride4, features.stride8));
        let decoded = model.decoder.forward(encoded.embedding, skips)?;
        lap(2);
        drop(segmenter.class_maps(decoded.masks));
        lap(3);
    }
    for (name, times) in ["CNN branch", "encoder", "decoder", "class map"].iter().zip(&mut times) {
        times.remove(0);
        times.sort_by(f64::total_cmp);
        println!("{name:12} {:8.2} ms", times[times.len() / 2]);
    }
    Ok(())
}
