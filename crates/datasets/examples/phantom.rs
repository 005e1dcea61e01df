//! Writes slices of a phantom, with the classes in colours beside them, as one PPM picture.
//!
//! `cargo run --release -p fastersam-datasets --example phantom -- abdomen 0 phantom.ppm`

use std::io::Write;

use fastersam_datasets::phantom::Phantom;
use ndarray::Axis;

const COLOURS: [[u8; 3]; 9] = [
    [0, 0, 0],
    [230, 60, 60],
    [60, 180, 75],
    [255, 225, 25],
    [67, 99, 216],
    [245, 130, 49],
    [145, 30, 180],
    [66, 212, 244],
    [240, 50, 230],
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let family = match arguments.get(1).map(String::as_str) {
        Some("heart") => Phantom::Heart,
        _ => Phantom::Abdomen,
    };
    let index = arguments.get(2).map_or(Ok(0), |text| text.parse())?;
    let path = arguments.get(3).map_or("phantom.ppm", String::as_str);
    let case = family.case(1, index);
    let (slices, rows, cols) = case.image.dim();
    let shown: Vec<usize> = (0..4).map(|i| (2 * i + 1) * slices / 8).collect();
    let mut picture = Vec::new();
    for labelled in [false, true] {
        for row in 0..rows {
            for &slice in &shown {
                let gray = case.image.index_axis(Axis(0), slice);
                let class = case.label.index_axis(Axis(0), slice);
                for col in 0..cols {
                    let value = (255.0 * gray[(row, col)]) as u8;
                    let class = usize::from(class[(row, col)]);
                    let colour = if labelled && class > 0 { COLOURS[class % 9] } else { [value; 3] };
                    picture.extend(colour);
                }
            }
        }
    }
    let mut file = std::fs::File::create(path)?;
    write!(file, "P6\n{} {}\n255\n", shown.len() * cols, 2 * rows)?;
    file.write_all(&picture)?;
    Ok(())
}
